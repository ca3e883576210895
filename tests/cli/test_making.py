"""What the verbs that make an artifact share."""

import signal
from pathlib import Path

import pytest

from freehold.cli.making import move_out, named, refuse_existing, working_in
from freehold.errors import FreeholdError


def test_a_name_may_have_a_tag() -> None:
    """Both are checked before anything is made."""
    assert named("net") == ("net", "")
    assert named("net:v2") == ("net", "v2")
    with pytest.raises(FreeholdError, match="store_name_invalid"):
        named("a net:v2")
    with pytest.raises(FreeholdError, match="store_tag_invalid"):
        named("net:a tag")


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    """A folder, or a link that leads nowhere; no --output names nothing."""
    refuse_existing(None, "convert_output_exists")
    refuse_existing(tmp_path / "new", "convert_output_exists")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(FreeholdError, match="convert_output_exists"):
            refuse_existing(path, "convert_output_exists")


def test_an_artifact_leaves_whole(tmp_path: Path) -> None:
    """For a folder whose parents are made; nothing lies beside it then."""
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.onnx").write_bytes(b"graph")
    move_out(made, tmp_path / "far" / "away", "convert_unwritable")
    assert (tmp_path / "far" / "away" / "model.onnx").read_bytes() == b"graph"
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["away"]


def test_an_artifact_that_cannot_leave_leaves_nothing(tmp_path: Path) -> None:
    """Where something else came to its place meanwhile, that stays as it is."""
    made = tmp_path / "made"
    made.mkdir()
    taken = tmp_path / "far" / "away"
    taken.parent.mkdir()
    taken.write_text("mine")
    with pytest.raises(FreeholdError, match="convert_unwritable"):
        move_out(made, taken, "convert_unwritable")
    assert [path.name for path in taken.parent.iterdir()] == ["away"]
    assert taken.read_text() == "mine"


def test_the_work_folder_goes_when_the_process_is_asked_to_leave(tmp_path: Path) -> None:
    """And SIGTERM means what it meant before."""
    before = signal.getsignal(signal.SIGTERM)

    def interrupted() -> None:
        with working_in(tmp_path / "work") as folder:
            (folder / "model.onnx").write_bytes(b"graph")
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as left:
        interrupted()
    assert left.value.code == 128 + signal.SIGTERM
    assert list((tmp_path / "work").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before
