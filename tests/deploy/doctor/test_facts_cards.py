"""Facts of how cards are set up."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.deploy.doctor import facts_cards
from freehold.deploy.doctor.facts_cards import accelerators, nvidia_state, parse_state
from freehold.deploy.doctor.reading import UnreadableError


def test_rows_of_nvidia_smi_are_read() -> None:
    """A card without MIG or ECC is without these keys; a sentence is no row."""
    table = "0, Enabled, Disabled, 2\n1, [N/A], Enabled, [Not Supported]\nUnable to determine the device handle\n"
    assert parse_state(table) == [
        {"index": 0, "mig": True, "persistence": False, "uncorrected": 2},
        {"index": 1, "persistence": True},
    ]


def test_the_program_is_asked(program: Callable[[str, str], None]) -> None:
    """By its own format."""
    program("nvidia-smi", 'echo "0, Disabled, Enabled, 0"')
    assert nvidia_state() == [{"index": 0, "mig": False, "persistence": True, "uncorrected": 0}]


def test_a_machine_without_cards_is_unreadable(program: Callable[[str, str], None]) -> None:
    """With the reason."""
    with pytest.raises(UnreadableError, match="no nvidia-smi"):
        nvidia_state()
    program("nvidia-smi", "echo No devices were found")
    with pytest.raises(UnreadableError, match="names no card"):
        nvidia_state()


def test_devices_of_other_vendors_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What their drivers put below /dev."""
    monkeypatch.setattr(facts_cards, "DEV", tmp_path)
    assert accelerators() == {}
    for name in ("davinci0", "davinci1", "davinci_manager", "kfd"):
        (tmp_path / name).touch()
    assert accelerators() == {"AMD": 1, "Huawei Ascend": 2}
