"""Deploy, roll back, take down: what is in force, and what is told of it."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from freehold.deploy.releases.deploying import Deploying, Wanted, as_data, kept_gateway
from freehold.deploy.releases.release import Releases
from freehold.deploy.releases.rolling import Clock, Terms
from freehold.deploy.releases.staging import final, hosts
from freehold.deploy.services.deployment import FILE, Deployment
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError
from tests.deploy.world import Flaws, Killed, World, deployment, with_dify

TERMS = Terms((50, 100), 2.0)


class Place:
    """A small world with its releases."""

    def __init__(self, home: Path, flaws: Flaws | None = None) -> None:
        self.world = World(flaws)
        self.releases = Releases(home, "freehold", lambda: self.world.now)
        self.deploying = self.by(self.world.clock)

    def by(self, clock: Clock) -> Deploying:
        """Somebody who deploys there."""
        return Deploying(self.releases, self.world, lambda _deployment: {"compose.yaml": "x"}, clock=clock)

    def deploy(self, wanted: Deployment) -> int:
        """The number of the release that is in force then."""
        release = self.deploying.deploy(Wanted(wanted, wanted.units[0].models[0].precision), TERMS)
        assert release.state == "current"
        return release.number

    def states(self) -> list[str]:
        """Of all releases."""
        return [release.state for release in self.releases.all()]

    def log(self) -> list[tuple[int, str]]:
        """What was done, by release."""
        return [(line.release, line.what) for line in self.releases.log.lines()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Nothing is in force there."""
    return Place(tmp_path)


def test_releases_follow_one_another(place: Place) -> None:
    """Each with what it was made of."""
    assert [place.deploy(deployment(version)) for version in ("fp32", "bf16")] == [1, 2]
    assert place.states() == ["superseded", "current"]
    assert place.log() == [(1, "begun"), (1, "current"), (2, "begun"), (2, "current")]
    second = place.releases.read(2)
    assert place.releases.configuration(second) == "bf16"
    assert list(second.images) == [deployment("bf16").gateway.image]


def test_the_same_again_is_no_release_and_mends_what_does_not_run(place: Place) -> None:
    """What was left of others is stopped."""
    one = deployment("fp32")
    place.deploy(one)
    place.world.containers[one.units[0].host].ends_at = 0.0
    place.world.start(one, deployment("bf16").units)
    assert place.deploy(one) == 1
    assert place.world.alive() == set(hosts(one.units))
    assert place.states() == ["current"]


def test_a_deploy_ends_with_releases_pruned(place: Place) -> None:
    """Eleven are there for a moment, and ten afterwards; rollback goes on as ever."""
    for number in range(12):
        place.deploy(deployment(("fp32", "bf16")[number % 2]))
    assert place.releases.numbers() == list(range(3, 13))
    assert place.deploying.rollback(None) is not None


def test_a_broken_artifact_is_refused_before_anything_is_there(tmp_path: Path) -> None:
    """No release, no container."""
    place = Place(tmp_path, Flaws(unverifiable={"bf16"}))
    place.deploy(deployment("fp32"))
    with pytest.raises(FreeholdError):
        place.deploy(deployment("bf16"))
    assert place.states() == ["current"]
    assert not any(line.startswith(f"start {deployment('bf16').units[0].host}") for line in place.world.told)


def test_what_does_not_fit_is_refused_before_that(place: Place) -> None:
    """Only what comes is asked about: the rest runs already."""
    asked: list[Sequence[str]] = []

    def check(_deployment: Deployment, units: Sequence[Unit]) -> None:
        asked.append(hosts(units))
        if asked[1:]:
            raise FreeholdError("deploy_aborted", number=0)

    world = place.world
    deploying = Deploying(place.releases, world, lambda _deployment: {}, prepare=check, clock=world.clock)
    old, new = deployment("fp32", "fp32"), deployment("bf16", "fp32")
    deploying.deploy(Wanted(old, ""), TERMS)
    with pytest.raises(FreeholdError):
        deploying.deploy(Wanted(new, ""), TERMS)
    assert asked == [hosts(old.units), (new.units[0].host,)]
    assert world.told.count("verify") == 1


def test_rollback_puts_the_release_before_in_force_at_once(place: Place) -> None:
    """As a release of its own that says which one it restores; again, the one before that."""
    for version in ("fp32", "bf16", "auto"):
        place.deploy(deployment(version))
    begun = place.world.now
    back = place.deploying.rollback(None)
    assert back is not None
    assert (back.number, back.restores, place.world.now - begun < 10) == (4, 2, True)
    assert place.world.alive() == set(hosts(deployment("bf16").units))
    further = place.deploying.rollback(None)
    assert further is not None
    assert further.restores == 1
    with pytest.raises(FreeholdError) as caught:
        place.deploying.rollback(None)
    assert caught.value.code == "release_first"


def test_rollback_to_a_number_says_why_it_cannot(place: Place) -> None:
    """Nothing deployed, in force already, or not there."""
    codes = []
    for number in (None, 1, 7):
        with pytest.raises(FreeholdError) as caught:
            place.deploying.rollback(number)
        codes.append(caught.value.code)
        if number is None:
            place.deploy(deployment("fp32"))
    assert codes == ["release_none", "release_current", "release_absent"]


@pytest.mark.parametrize("then", ["continue", "rollback", "another"])
def test_an_interrupted_rollout_is_told_and_finished(place: Place, then: str) -> None:
    """By the same command, by going back, or by another deploy, which takes it back first."""
    place.deploy(deployment("fp32"))
    place.world.dies_at = place.world.calls + 16
    with pytest.raises(Killed):
        place.deploy(deployment("bf16"))
    place.world.dies_at = None
    status = place.deploying.status()
    assert status.interrupted is not None
    assert (status.interrupted.number, status.current and status.current.number) == (2, 1)
    if then == "continue":
        assert place.deploy(deployment("bf16")) == 2
        assert place.states() == ["superseded", "current"]
    elif then == "rollback":
        assert place.deploying.rollback(None) == place.releases.read(1)
        assert place.states() == ["current", "failed"]
    else:
        assert place.deploy(deployment("auto")) == 3
        assert place.states() == ["superseded", "failed", "current"]


def test_who_interrupts_takes_it_back(place: Place) -> None:
    """Ctrl-C while a step is watched."""
    place.deploy(deployment("fp32"))
    interrupted: list[float] = []

    def once(seconds: float) -> None:
        place.world.pass_time(seconds)
        if "weight: 50" in place.world.in_force and not interrupted:
            interrupted.append(place.world.now)
            raise KeyboardInterrupt

    deploying = place.by(Clock(lambda: place.world.now, once))
    with pytest.raises(FreeholdError) as caught:
        deploying.deploy(Wanted(deployment("bf16"), ""), TERMS)
    assert (caught.value.code, len(interrupted)) == ("deploy_aborted", 1)
    assert place.world.alive() == set(hosts(deployment("fp32").units))
    assert place.states() == ["current", "failed"]


def test_who_interrupts_the_way_back_too_leaves_it_to_the_next_command(place: Place) -> None:
    """What still runs is told, and not called a failure that is over."""
    place.deploy(deployment("fp32"))

    def always(seconds: float) -> None:
        place.world.pass_time(seconds)
        if place.world.alive() > set(hosts(deployment("fp32").units)):
            raise KeyboardInterrupt

    with pytest.raises(FreeholdError, match="deploy_stuck"):
        place.by(Clock(lambda: place.world.now, always)).deploy(Wanted(deployment("bf16"), ""), TERMS)
    assert place.states() == ["current", "rolling"]
    place.deploying.rollback(None)
    assert place.states() == ["current", "failed"]
    assert place.world.alive() == set(hosts(deployment("fp32").units))


def test_nobody_need_listen(place: Place) -> None:
    """The terminal is gone, or the end of the pipe: the rollout is not left half done for that."""

    def gone(_text: str) -> None:
        raise BrokenPipeError

    world = place.world
    deploying = Deploying(place.releases, world, lambda _deployment: {}, clock=world.clock, say=gone)
    for version in ("fp32", "bf16"):
        deploying.deploy(Wanted(deployment(version), ""), TERMS)
    assert place.states() == ["superseded", "current"]


@pytest.mark.parametrize("name", ["1/.release.json.{pid}", "2/.release.json.{pid}", "log.jsonl"])
def test_a_disk_that_is_full_once_the_new_one_is_in_force_takes_nothing_back(place: Place, name: str) -> None:
    """The file `current` names it: what runs is what it says."""
    place.deploy(deployment("fp32"))
    in_the_way = place.releases.folder / name.format(pid=os.getpid())

    def full(seconds: float) -> None:
        place.world.pass_time(seconds)
        if "weight: 100" in place.world.in_force and not in_the_way.is_dir():
            in_the_way.unlink(missing_ok=True)
            in_the_way.mkdir()

    deploying = place.by(Clock(lambda: place.world.now, full))
    with pytest.raises(FreeholdError, match="releases_unwritable"):
        deploying.deploy(Wanted(deployment("bf16"), ""), TERMS)
    in_the_way.rmdir()
    assert place.states() == ["superseded", "current"]
    assert place.world.alive() >= set(hosts(deployment("bf16").units))
    assert place.deploy(deployment("bf16")) == 2
    assert place.world.alive() == set(hosts(deployment("bf16").units))


def test_why_it_failed_is_told_on_a_full_disk_too(tmp_path: Path) -> None:
    """And not that the log cannot be written."""
    place = Place(tmp_path, Flaws(fails={"bf16"}))
    place.deploy(deployment("fp32"))

    def full(seconds: float) -> None:
        place.world.pass_time(seconds)
        log = place.releases.folder / "log.jsonl"
        if log.is_file():
            log.unlink()
            log.mkdir()

    with pytest.raises(FreeholdError, match="rollout_errors"):
        place.by(Clock(lambda: place.world.now, full)).deploy(Wanted(deployment("bf16"), ""), TERMS)


def test_down_stops_everything_and_deploy_brings_it_back(place: Place) -> None:
    """The releases stay."""
    place.deploy(deployment("fp32"))
    place.deploying.down()
    assert (place.world.containers, place.releases.current()) == ({}, None)
    assert place.log()[-1] == (1, "down")
    assert place.deploy(deployment("fp32")) == 2


def test_down_ends_what_was_interrupted(place: Place) -> None:
    """And where nothing is there, nothing is to be done."""
    place.world.dies_at = 6
    with pytest.raises(Killed):
        place.deploy(deployment("fp32"))
    place.world.dies_at = None
    place.deploying.down()
    place.deploying.down()
    assert place.states() == ["failed"]
    assert place.world.containers == {}


def test_status_tells_what_runs_and_what_lacks(place: Place) -> None:
    """As data, too."""
    one = deployment("fp32")
    place.deploy(one)
    del place.world.containers[one.units[0].host]
    status = place.deploying.status()
    assert status.lacking == (one.units[0].host,)
    data = as_data(status)
    assert data["lacking"] == [one.units[0].host]
    assert data["services"] == [{"host": one.gateway.host, "state": "ready", "reason": None}]


def test_a_gateway_stays_where_it_can() -> None:
    """With the file of the new release; where its own file asks for other ports or secrets, it cannot."""
    old, image = deployment("fp32"), deployment("bf16", image="registry.corp.local/freehold:2")
    kept = kept_gateway(old, image, with_gateway=False)
    assert kept.gateway.host == old.gateway.host
    assert kept.gateway.files[FILE] == final(image)
    assert kept_gateway(old, image, with_gateway=True) == image
    assert kept_gateway(None, image, with_gateway=False) == image
    other = deployment("bf16", data="/srv/elsewhere")
    with pytest.raises(FreeholdError) as caught:
        kept_gateway(old, other, with_gateway=False)
    assert caught.value.code == "deploy_gateway_changes"
    assert "mounts" in str(caught.value.details["fields"])


def test_dify_comes_after_the_models_and_goes_before_them(place: Place) -> None:
    """Where it fails the models are in force, and the next deploy tries it again."""
    dify = place.world.dify
    wanted = with_dify(deployment("fp32"), "1.15.0")
    for fault, code in (
        (KeyboardInterrupt(), "deploy_interrupted"),
        (FreeholdError("dify_job_failed", service="migration", cause="Full.", fix="Make room."), "dify_job_failed"),
    ):
        dify.fault = fault
        with pytest.raises(FreeholdError) as caught:
            place.deploy(wanted)
        assert (caught.value.code, place.states()) == (code, ["current"])
    dify.fault = None
    assert place.deploy(wanted) == 1
    status = place.deploying.status()
    assert "api" in [one.host for one in status.running]
    assert status.lacking == ("worker",)
    models = len(place.world.running())
    place.deploying.down()
    assert dify.seen == [("start", models)] * 3 + [("stop", models)]
    assert not place.deploying.status().running


def test_a_dify_of_another_release_is_refused_before_anything_changes(place: Place) -> None:
    """Its databases would be migrated: an upgrade saves them first. Without one in the file it is stopped."""
    place.deploy(with_dify(deployment("fp32"), "1.15.0"))
    with pytest.raises(FreeholdError) as caught:
        place.deploy(with_dify(deployment("int8"), "9.9.9"))
    assert caught.value.code == "dify_version_differs"
    assert place.states() == ["current"]
    place.deploy(deployment("fp32"))
    assert [what for what, _ in place.world.dify.seen] == ["start", "stop"]


def test_a_dify_that_an_interrupted_change_left_goes_with_the_next(place: Place) -> None:
    """The release without it is in force already when it is stopped: who was killed there is continued."""
    dify = place.world.dify
    place.deploy(with_dify(deployment("fp32"), "1.15.0"))
    place.deploy(deployment("fp32"))
    dify.runs = True
    place.deploy(deployment("fp32"))
    assert not dify.runs
