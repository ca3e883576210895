"""Rollouts in a small world: what is promised of them holds whatever happens on the way."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.releases.deploying import Deploying, Wanted
from freehold.deploy.releases.release import Releases
from freehold.deploy.releases.rolling import Rolling, Terms
from freehold.deploy.releases.staging import final, hosts
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from tests.deploy.world import Flaws, Killed, World, deployment

TERMS = Terms((5, 50, 100), 5.0)


def rolled(world: World, old: Deployment | None, new: Deployment, terms: Terms = TERMS) -> bool:
    """Whether `new` came to be in force; else everything is as before."""
    world.in_force_before = frozenset() if old is None else frozenset(hosts(old.units))
    settled: list[bool] = []
    try:
        Rolling(world, old, new, terms, lambda: settled.append(True), world.clock).run()
    finally:
        assert world.sins == []
    return bool(settled)


def failed(world: World, old: Deployment | None, new: Deployment) -> str:
    """Why a rollout came to nothing, after which everything is as before."""
    with pytest.raises(FreeholdError) as caught:
        rolled(world, old, new)
    assert world.alive() == (set() if old is None else set(hosts(old.units)))
    assert old is None or world.text == final(old)
    return caught.value.code


def test_a_first_release_starts_all_services_and_the_gateway() -> None:
    """And is in force when all of them are ready."""
    world, new = World(), deployment("fp32", "fp32")
    assert rolled(world, None, new)
    assert world.alive() == set(hosts(new.units))
    assert world.in_force == final(new)


def test_a_new_version_takes_the_place_of_the_old_one_step_by_step() -> None:
    """The one that does not change is left alone; what is new, what is gone comes and goes with the last file."""
    world, old, new = World(), deployment("fp32", "fp32", ""), deployment("bf16", "fp32", "fp32")
    rolled(world, None, old)
    world.told.clear()
    assert rolled(world, old, new)
    assert world.alive() == set(hosts(new.units))
    started = [line for line in world.told if line.startswith("start")]
    assert started == [f"start {new.units[0].host} {new.units[2].host}"]
    assert [line for line in world.told if line.startswith("stop")] == [f"stop {old.units[0].host}"]
    assert world.told.count("route") == 1 + len(TERMS.steps) + 1


@pytest.mark.parametrize(
    ("flaws", "code"),
    [
        pytest.param(Flaws(lives_s={"bf16": 1.0}), "deploy_unit_failed", id="crashes while it starts"),
        pytest.param(Flaws(lives_s={"bf16": 10.0}), "deploy_unit_lost", id="crashes while it has weight"),
        pytest.param(Flaws(answers={"bf16": 0.1}), "deploy_differs", id="answers otherwise"),
        pytest.param(Flaws(answers={"bf16": 2.0}), "spaces_differ", id="embeds into another space"),
        pytest.param(Flaws(fails={"bf16"}), "rollout_errors", id="fails requests"),
    ],
)
def test_a_broken_version_is_taken_back(flaws: Flaws, code: str) -> None:
    """Whatever is wrong with it: the old one has all requests again, and nothing is left of the new one."""
    world, old = World(flaws), deployment("fp32", "fp32")
    rolled(world, None, old)
    assert failed(world, old, deployment("bf16", "fp32")) == code


def test_a_first_release_that_does_not_start_leaves_nothing() -> None:
    """Its gateway goes with it."""
    world = World(Flaws(lives_s={"fp32": 1.0}))
    assert failed(world, None, deployment("fp32")) == "deploy_unit_failed"
    assert world.containers == {}


def test_one_that_never_becomes_ready_is_waited_for_as_long_as_it_may_start() -> None:
    """And is told by its name and its time."""
    world, old, new = World(), deployment("fp32"), deployment("bf16")
    rolled(world, None, old)
    begun = world.now
    world.flaws.lives_s["bf16"] = float("inf")
    world.loads_s = 1e9
    assert failed(world, old, new) == "deploy_unit_slow"
    assert world.now - begun > new.units[0].startup_s


def test_differences_that_are_meant_are_accepted() -> None:
    """`--accept-differences`; vectors of another space never are: no index would find anything."""
    world, old = World(Flaws(answers={"bf16": 0.1})), deployment("fp32")
    rolled(world, None, old)
    accepting = Terms((100,), 1.0, accept_differences=True)
    assert rolled(world, old, deployment("bf16"), accepting)
    world.flaws.answers["auto"] = 2.0
    with pytest.raises(FreeholdError) as caught:
        rolled(world, deployment("bf16"), deployment("auto"), accepting)
    assert caught.value.code == "spaces_differ"


def test_an_old_version_that_is_dead_does_not_keep_the_new_one_out() -> None:
    """There is nothing to compare with, and its requests fail anyway."""
    world, old, new = World(), deployment("fp32"), deployment("bf16")
    rolled(world, None, old)
    world.containers[old.units[0].host].ends_at = 0.0
    assert rolled(world, old, new, Terms((100,), 1.0))


def test_a_gateway_that_takes_up_nothing_keeps_both_versions() -> None:
    """What has weight for all one knows is not stopped."""
    world, old, new = World(), deployment("fp32"), deployment("bf16")
    rolled(world, None, old)

    def deaf_from_half(text: str) -> None:
        world.reads_s = 1e9 if text.startswith("50 %") else world.reads_s

    with pytest.raises(FreeholdError) as caught:
        Rolling(world, old, new, TERMS, lambda: None, world.clock, deaf_from_half).run()
    assert caught.value.code == "deploy_stuck"
    assert world.alive() == {*hosts(old.units), *hosts(new.units)}


def test_a_gateway_of_another_image_is_replaced_only_at_the_end() -> None:
    """Which is a moment without one, and does not come unasked: `deploying.kept_gateway`."""
    world, old = World(), deployment("fp32")
    new = deployment("bf16", image="registry.corp.local/freehold:2")
    rolled(world, None, old)
    assert rolled(world, old, new)
    assert new.gateway.host in world.containers
    assert old.gateway.host not in world.containers


versions = st.sampled_from(["fp32", "bf16", "auto"])


@settings(max_examples=40, deadline=None)
@given(
    old=st.tuples(versions, versions),
    new=st.tuples(versions, versions, st.sampled_from(["", "fp32"])),
    flaw=st.sampled_from(["none", "crashes", "crashes late", "differs", "fails"]),
    dies_at=st.none() | st.integers(0, 60),
    then=st.sampled_from(["deploy", "rollback", "deploy another"]),
)
def test_whatever_happens_one_version_is_left(
    tmp_path_factory: pytest.TempPathFactory,
    old: tuple[str, ...],
    new: tuple[str, ...],
    flaw: str,
    dies_at: int | None,
    then: str,
) -> None:
    """Killed at any call, with a version that is broken in any way: the next command ends with exactly one release
    running, and on the way no weight went to what was not ready, and nothing with weight was stopped."""
    world, before, wanted = World(), deployment(*old), deployment(*new)
    releases = Releases(tmp_path_factory.mktemp("home"), "freehold", lambda: world.now)
    deploying = Deploying(releases, world, lambda _deployment: {}, clock=world.clock)
    deploying.deploy(Wanted(before, "old"), TERMS)
    world.in_force_before = frozenset(hosts(before.units))
    for version in {*new} - {*old, ""}:
        flawed(world.flaws, flaw, version)
    world.dies_at = None if dies_at is None else world.calls + dies_at
    try:
        deploying.deploy(Wanted(wanted, "new"), TERMS)
        assert releases.current() is not None
    except (FreeholdError, Killed):
        pass
    world.dies_at, world.flaws = None, Flaws()
    for container in world.containers.values():
        container.ends_at = float("inf")
    _finish(deploying, then, wanted)
    current = releases.current()
    assert current is not None
    left = releases.deployment(current)
    assert world.alive() == set(hosts(left.units))
    assert world.text == world.in_force == final(left)
    assert releases.interrupted() is None
    assert world.sins == []


def flawed(flaws: Flaws, flaw: str, version: str) -> None:
    """Break that version in one way."""
    match flaw:
        case "crashes":
            flaws.lives_s[version] = 1.0
        case "crashes late":
            flaws.lives_s[version] = 10.0
        case "differs":
            flaws.answers[version] = 0.5
        case "fails":
            flaws.fails.add(version)


def _finish(deploying: Deploying, then: str, wanted: Deployment) -> None:
    """The next command that somebody gives."""
    if then != "rollback":
        deploying.deploy(Wanted(wanted if then == "deploy" else deployment("auto", "auto"), then), TERMS)
        return
    with suppress(FreeholdError):  # there is nothing before the first release
        deploying.rollback(None)
    deploying.deploy(Wanted(wanted, "new"), TERMS)


def test_one_that_was_started_again_is_told_with_what_it_wrote() -> None:
    """It was ready once, and is not when it is to get requests: Docker has started it again meanwhile."""
    world, old, new = World(), deployment("fp32"), deployment("bf16")
    rolled(world, None, old)

    def again(text: str) -> None:
        if text.startswith("50 %"):
            world.containers[new.units[0].host].ready_at = world.now + 1e9

    with pytest.raises(FreeholdError) as caught:
        Rolling(world, old, new, TERMS, lambda: None, world.clock, again).run()
    host = new.units[0].host
    assert caught.value.details == {
        "unit": host,
        "reason": f"it is starting again. It last wrote: {host} started",
    }
    assert world.alive() == set(hosts(old.units))
