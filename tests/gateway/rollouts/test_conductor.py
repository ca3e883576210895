"""Rollouts of a running gateway: files, weights and spaces."""

from pathlib import Path
from typing import Any

import pytest

from freehold.config import Route, RouteTarget
from tests.gateway.rollouts.rollout_stage import RECORDING, Stage, config, on_stage, run_by_hand


def test_a_canary_goes_up_step_by_step_and_stays_until_the_file_says_the_same(tmp_path: Path) -> None:
    """0, 5, 50 and 100 %; then done, and in force until the configuration has the new model."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick()
        shares = []
        for _ in range(3):
            await stage.tick(2)
            shares.append(stage.percents())
            stage.answered("b")
            stage.answered("a", 100)
            await stage.tick(after_s=11)
        assert shares == [{"a": 95, "b": 5}, {"a": 50, "b": 50}, {"b": 100}]
        done = await stage.tick()
        assert (done.phase, stage.percents()) == ("done", {"b": 100})
        stage.config = config(Route("chat", (RouteTarget("b"),)))
        stage.conductor.take(stage.config)
        settled = await stage.tick()
        assert settled.settled
        assert [line.what for line in settled.history] == ["begun", *["raised"] * 3, "done", "settled"]
        stage.config = config(Route("chat", (RouteTarget("a"),)))
        stage.conductor.take(stage.config)
        await stage.tick()
        assert stage.percents() == {"a": 100}

    on_stage(tmp_path, test)


def test_errors_give_everything_back(tmp_path: Path) -> None:
    """At once, with the reason in the record."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(3)
        stage.answered("b", 3, status=500)
        ended = await stage.tick()
        assert (ended.phase, stage.percents()) == ("aborted", {"a": 100})
        assert ended.reason is not None
        assert ended.reason.code == "rollout_errors"

    on_stage(tmp_path, test)


def test_a_golden_that_differs_ends_it_before_the_first_request(tmp_path: Path) -> None:
    """No weight has moved by then."""

    async def test(stage: Stage) -> None:
        stage.answers["b"] = {"ok": "something else altogether"}
        stage.begin(RECORDING, goldens=1)
        ended = await stage.tick(8)
        assert (ended.phase, ended.step) == ("aborted", -1)
        assert ended.reason is not None
        assert ended.reason.code == "goldens_differ"
        assert all(weights.get("chat", {}).get("b", 0) == 0 for _, weights in stage.adopted)

    on_stage(tmp_path, test)


def test_a_rollout_that_begins_at_once_after_another_is_another_one(tmp_path: Path) -> None:
    """What was found of the first does not count for the second, even where no tick saw the first one's end."""

    async def test(stage: Stage) -> None:
        stage.answers["b"] = {"ok": "something else altogether"}
        stage.begin(RECORDING, goldens=1)
        while (await stage.tick()).phase != "aborted":
            pass
        stage.answers["b"] = stage.answers["a"] = {"ok": 1}
        stage.begin(RECORDING, goldens=1, asked_at=9.0)
        assert (await stage.tick(8)).phase == "running"
        assert stage.percents() == {"a": 95, "b": 5}

    on_stage(tmp_path, test)


def test_a_golden_is_replayed_again_before_each_step(tmp_path: Path) -> None:
    """A model that has changed since is found out at the next one."""

    async def test(stage: Stage) -> None:
        stage.answers.update(a={"ok": 1}, b={"ok": 1})
        stage.begin(RECORDING, goldens=1)
        await stage.tick(8)
        assert stage.percents() == {"a": 95, "b": 5}
        stage.answers["b"] = {"ok": 2}
        stage.answered("b")
        await stage.tick(8, after_s=11)
        assert stage.percents() == {"a": 100}

    on_stage(tmp_path, test)


def test_what_a_person_wishes_is_done(tmp_path: Path) -> None:
    """Promoted without waiting, to the end; then back."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(2)
        stage.wish("promote")
        await stage.tick()
        assert stage.percents() == {"a": 50, "b": 50}
        stage.wish("finish")
        await stage.tick()
        assert stage.percents() == {"b": 100}
        stage.wish("promote")
        assert (await stage.tick()).phase == "done"
        stage.wish("abort")
        ended = await stage.tick()
        assert (ended.phase, ended.settled, stage.percents()) == ("aborted", False, {"a": 100})
        assert (await stage.tick()).settled

    on_stage(tmp_path, test)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"new": "absent"}, "rollout_model_unknown"),
        ({"new": "a"}, "rollout_whole_already"),
    ],
)
def test_what_cannot_begin_is_refused(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    """With the reason, and nothing moves."""

    async def test(stage: Stage) -> None:
        stage.begin(**changes)
        refused = await stage.tick()
        assert refused.phase == "refused"
        assert refused.reason is not None
        assert refused.reason.code == code
        assert stage.percents() == {"a": 100}

    on_stage(tmp_path, test)


def test_a_model_that_does_something_else_is_no_successor(tmp_path: Path) -> None:
    """A reranker does not take the place of a chat model, as far as both tell."""

    async def test(stage: Stage) -> None:
        stage.abilities["b"] = ("rerank",)
        stage.begin()
        refused = await stage.tick()
        assert refused.reason is not None
        assert refused.reason.code == "rollout_unlike"

    on_stage(tmp_path, test)


def test_a_route_that_insists_on_a_place_gets_no_model_elsewhere(tmp_path: Path) -> None:
    """Data that must stay does not go out by a rollout."""
    begun = config(Route("chat", (RouteTarget("a"),), locality="eu"))

    async def test(stage: Stage) -> None:
        stage.begin()
        refused = await stage.tick()
        assert refused.reason is not None
        assert refused.reason.code == "rollout_locality"

    on_stage(tmp_path, test, begun)


def vectors(*directions: list[float]) -> dict[str, Any]:
    return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(directions)]}


ONE = vectors([1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0])
OTHER = vectors([0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1])


def test_embedding_models_of_two_spaces_are_refused_a_rollout(tmp_path: Path) -> None:
    """It is not known at first, then refused with the measure."""

    async def test(stage: Stage) -> None:
        stage.abilities.update(a=("embed",), b=("embed",))
        stage.answers.update(a=ONE, b=OTHER)
        stage.begin()
        assert (await stage.tick()).phase == "asked"
        refused = await stage.tick()
        assert refused.reason is not None
        assert refused.reason.code == "spaces_differ"
        assert "cosine 0.000" in refused.reason.error().cause

    on_stage(tmp_path, test)


def test_a_route_between_two_spaces_keeps_to_its_first_model(tmp_path: Path) -> None:
    """From the first moment, with the reason, until it is mended."""
    begun = config(Route("chat", (RouteTarget("a", 60), RouteTarget("b", 20), RouteTarget("c", 20))))
    stage = Stage(tmp_path, begun)
    stage.abilities = dict.fromkeys("abc", ("embed",))
    stage.answers.update(a=ONE, b=OTHER, c=ONE)

    async def run() -> None:
        async with stage.conductor.life():
            assert stage.percents() == {"a": 100}
            await stage.conductor.tick()
            await stage.looked()
            assert stage.percents() == {"a": 75, "c": 25}
            assert stage.conductor.barred["chat"]["b"].code == "spaces_differ"
            stage.answers["b"] = ONE
            stage.now = 60.0
            for _ in range(3):
                await stage.looked()
            assert stage.percents() == {"a": 60, "b": 20, "c": 20}
            assert stage.conductor.barred == {}

    run_by_hand(run())


def test_weights_and_states_are_metrics(tmp_path: Path) -> None:
    """Of routes with several models, and of rollouts."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(2)
        text = stage.telemetry.exposition()[0].decode()
        assert 'freehold_route_weight_ratio{model="b",route="chat"} 0.05' in text
        assert 'freehold_rollout_state{route="chat",state="running"} 1.0' in text
        stage.wish("abort")
        await stage.tick()
        text = stage.telemetry.exposition()[0].decode()
        assert 'freehold_rollout_state{route="chat",state="aborted"} 1.0' in text
        assert 'state="running"' not in text

    on_stage(tmp_path, test)
