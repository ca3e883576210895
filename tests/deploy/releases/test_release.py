"""Releases as files: what a crash at any moment leaves can be told."""

import json
from pathlib import Path

import pytest

from freehold.deploy.releases.lock import Holder
from freehold.deploy.releases.release import Release, Releases
from freehold.errors import FreeholdError
from tests.deploy.world import deployment

HOLDER = Holder("ops", "box", 7, 0.0, "deploy")


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Those of a deployment that has none yet."""
    return Releases(tmp_path, "shop", lambda: 1_800_000_000.0)


def added(releases: Releases, version: str = "fp32", restores: int | None = None) -> Release:
    """One more release."""
    return releases.add(
        deployment(version),
        "models: []\n",
        {"compose.yaml": "services: {}\n", "config/a/x": "y"},
        HOLDER,
        images={"freehold/freehold:1": "sha256:aa"},
        artifacts={"a": "sha256:bb"},
        restores=restores,
    )


def in_force(releases: Releases, version: str = "fp32", restores: int | None = None) -> Release:
    """One more release that came to be in force."""
    return releases.settle(releases.begin(added(releases, version, restores)))


def test_a_release_is_a_folder_that_says_all_of_itself(releases: Releases) -> None:
    """Configuration, deployment, rendered files, and who made it of what."""
    release = added(releases, "bf16")
    assert (release.number, release.state, release.by) == (1, "planned", "ops@box")
    assert releases.read(1) == release
    assert releases.deployment(release) == deployment("bf16")
    assert releases.configuration(release) == "models: []\n"
    assert (releases.rendered(release) / "config" / "a" / "x").read_text() == "y"
    written = json.loads((releases.folder / "1" / "release.json").read_text())
    assert (written["images"], written["artifacts"]) == ({"freehold/freehold:1": "sha256:aa"}, {"a": "sha256:bb"})


def test_one_takes_the_place_of_another(releases: Releases) -> None:
    """At every moment at most one is in force."""
    assert (releases.current(), releases.all()) == (None, [])
    in_force(releases)
    second = releases.begin(added(releases))
    assert releases.interrupted() == second
    assert releases.current() == releases.read(1)
    releases.settle(second)
    assert [one.state for one in releases.all()] == ["superseded", "current"]
    assert releases.interrupted() is None
    releases.clear()
    assert releases.current() is None
    assert [one.state for one in releases.all()] == ["superseded", "superseded"]


def test_a_crash_between_two_files_is_no_contradiction(releases: Releases) -> None:
    """`current` is what counts: the states follow from it."""
    in_force(releases)
    releases.begin(added(releases))
    (releases.folder / "current").write_text("2\n")
    assert [one.state for one in releases.all()] == ["superseded", "current"]
    assert releases.interrupted() is None


def test_what_was_half_written_is_no_release(releases: Releases) -> None:
    """The folder has its number only when it is whole; the next one makes it anew."""
    (releases.folder / ".1.new").mkdir(parents=True)
    (releases.folder / ".1.new" / "rubbish").touch()
    assert releases.numbers() == []
    added(releases)
    assert releases.numbers() == [1]
    assert not (releases.folder / "1" / "rubbish").exists()


def test_a_failed_release_tells_its_reason(releases: Releases) -> None:
    """In the words of the error."""
    failed = releases.fail(releases.begin(added(releases)), FreeholdError("deploy_aborted", number=1))
    assert failed.reason is not None
    assert failed.reason.error().code == "deploy_aborted"
    assert releases.read(1) == failed
    assert releases.interrupted() is None


def test_the_one_before_is_one_that_was_in_force(releases: Releases) -> None:
    """Neither one that failed, nor, of one that restores another, one that came after that."""
    in_force(releases)
    releases.fail(releases.begin(added(releases)), FreeholdError("deploy_aborted", number=2))
    third = in_force(releases)
    assert releases.before(third) == releases.read(1)
    fourth = in_force(releases, restores=1)
    assert releases.before(fourth) is None


def test_what_happens_is_noted_by_who_does_it(releases: Releases) -> None:
    """In the log, with the reason."""
    release = added(releases)
    releases.note(release, "failed", "taken back", FreeholdError("deploy_aborted", number=1))
    (line,) = releases.log.lines()
    assert (line.release, line.what, line.text, line.by) == (1, "failed", "taken back", Holder.here("", 0.0).name)


@pytest.mark.parametrize("name", ["release.json", "deployment.json"])
def test_a_file_that_is_damaged_is_told_by_its_path(releases: Releases, name: str) -> None:
    """And not taken for something else."""
    release = added(releases)
    path = releases.folder / "1" / name
    path.write_text('{"number": 1, "state"')
    with pytest.raises(FreeholdError) as caught:
        releases.deployment(releases.read(release.number))
    assert (caught.value.code, caught.value.details["path"]) == ("release_damaged", path)


def test_a_current_that_is_no_number_is_told(releases: Releases) -> None:
    """Nobody guesses what runs."""
    added(releases)
    (releases.folder / "current").write_text("first\n")
    with pytest.raises(FreeholdError, match="first"):
        releases.current()


def test_a_release_that_is_not_there_lists_those_that_are(releases: Releases) -> None:
    """Whoever mistypes a number sees the right ones."""
    added(releases)
    with pytest.raises(FreeholdError) as caught:
        releases.read(7)
    assert caught.value.details == {"number": 7, "known": "1"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before anything of the release exists."""
    (tmp_path / "releases").write_text("a file")
    with pytest.raises(FreeholdError) as caught:
        added(Releases(tmp_path, "shop"))
    assert caught.value.code == "releases_unwritable"


def test_old_releases_are_pruned_and_the_way_back_stays(releases: Releases) -> None:
    """The last ten, that in force and the one before it; a number is never given twice, a half-removed one is gone."""
    for _ in range(2):
        in_force(releases)
    for _ in range(11):
        failed = releases.begin(added(releases))
        releases.fail(failed, FreeholdError("deploy_aborted", number=failed.number))
    releases.prune()
    assert releases.numbers() == [1, 2, *range(4, 14)]
    before = releases.before(releases.read(2))
    assert before is not None
    assert before.number == 1
    in_force(releases)
    (releases.folder / ".3.old").mkdir()
    releases.prune()
    assert releases.numbers() == [2, *range(5, 15)]
    assert not list(releases.folder.glob(".*.old"))
    assert added(releases).number == 15


def test_what_cannot_be_pruned_is_no_reason_to_fail(releases: Releases) -> None:
    """Something is in the way of an old one: it stays until the next time."""
    for _ in range(12):
        in_force(releases)
    for number in (1, 2):
        (releases.folder / f".{number}.old").write_text("in the way")
    releases.prune()
    assert {3, 12} <= set(releases.numbers())
    for number in (1, 2):
        (releases.folder / f".{number}.old").unlink()
    releases.prune()
    assert releases.numbers() == list(range(3, 13))
