"""Facts of the machine that runs the tests, and of files of others."""

import os
import platform
from pathlib import Path

import pytest

from freehold.deploy.doctor import facts_machine
from freehold.deploy.doctor.reading import UnreadableError


def test_this_machine_tells_all_of_itself(tmp_path: Path) -> None:
    """Every fact is read here, and is what Python says of the machine."""
    facts = {name: reader() for name, reader in facts_machine.readers(tmp_path / "to" / "be").items()}
    assert facts["cpu"]["architecture"] == platform.machine()
    assert 1 <= facts["cpu"]["physical"] <= facts["cpu"]["logical"] == len(os.sched_getaffinity(0))
    assert 0 < facts["memory"]["available"] <= facts["memory"]["total"] <= facts["memory"]["machine"]
    assert facts["disk"]["folder"] == str(tmp_path / "to" / "be")
    assert 0 < facts["disk"]["free"] <= facts["disk"]["total"]
    assert facts["disk"]["writable"] is True
    assert facts["os"]["system"] == "Linux"
    assert facts["os"]["libc"].startswith("glibc ")
    assert facts["kernel"] == platform.release()
    assert facts["cgroups"] in {"v1", "v2", "hybrid"}
    assert facts["python"]["version"] == platform.python_version()
    assert facts["limits"]["open_files"] != 0
    assert facts["shm"]["total"] > 0
    assert facts["clock"]["by"] == "kernel"
    assert isinstance(facts["clock"]["synchronised"], bool)


def test_measuring_a_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """The file has no name by the time it is written."""
    found = facts_machine.disk_speed(tmp_path)
    assert found["write_mb_s"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_direct_reads_tells_only_writing() -> None:
    """/dev/shm is memory."""
    found = facts_machine.disk_speed(Path("/dev/shm"))
    assert found["write_mb_s"] > 0
    assert not list(Path("/dev/shm").glob(".freehold-doctor-*"))


def test_a_folder_that_cannot_be_written_has_no_speed() -> None:
    """With the reason."""
    with pytest.raises(UnreadableError, match="/proc: "):
        facts_machine.disk_speed(Path("/proc/freehold"))


def test_os_release_is_read_with_and_without_quotes() -> None:
    """As os-release(5) allows; comments and other names are passed over."""
    text = (
        '# a comment\nNAME="Kylin"\nID=kylin\nVERSION_ID=\'V10\'\nPRETTY_NAME="Kylin Linux V10"\nID_LIKE=\nnonsense\n'
    )
    assert facts_machine.parse_os_release(text) == {
        "id": "kylin",
        "version": "V10",
        "name": "Kylin Linux V10",
        "like": "",
    }


@pytest.mark.parametrize(
    ("made", "version"), [(["cgroup.controllers"], "v2"), (["unified/", "memory/"], "hybrid"), (["memory/"], "v1")]
)
def test_control_groups_are_known_by_their_files(
    made: list[str], version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 has its controllers in the root, version 1 a folder each."""
    for name in made:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    monkeypatch.setattr(facts_machine, "CGROUPS", tmp_path)
    assert facts_machine.cgroups() == version


def test_a_machine_without_control_groups_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed."""
    monkeypatch.setattr(facts_machine, "CGROUPS", tmp_path)
    with pytest.raises(UnreadableError, match="no control groups"):
        facts_machine.cgroups()


def test_a_pod_knows_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variable that Kubernetes sets in every container."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert facts_machine.container() == {"inside": True, "kind": "kubernetes"}


def test_a_system_without_os_release_still_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is instead: the system itself."""
    monkeypatch.setattr(facts_machine, "OS_RELEASE", ("/nonexistent",))
    assert set(facts_machine.operating_system()) == {"system", "libc"}
