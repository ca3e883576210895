"""Rollouts of a running gateway: what goes wrong around them."""

from contextlib import AsyncExitStack
from pathlib import Path

from freehold.config import Route, RouteTarget
from freehold.errors import FreeholdError
from tests.gateway.rollouts.rollout_stage import AWAY, Stage, config, on_stage, run_by_hand


def test_a_model_that_is_away_gets_no_weight_and_its_step_begins_again(tmp_path: Path) -> None:
    """Neither the first step nor a further one; the time that it was away is not held."""

    async def test(stage: Stage) -> None:
        stage.away["b"] = AWAY
        stage.begin()
        await stage.tick(4, after_s=100)
        assert stage.percents() == {"a": 100}
        del stage.away["b"]
        await stage.tick(2)
        stage.answered("b")
        stage.away["b"] = AWAY
        await stage.tick(2, after_s=11)
        del stage.away["b"]
        await stage.tick(after_s=9)
        assert stage.percents() == {"a": 95, "b": 5}
        await stage.tick(2, after_s=11)
        assert stage.percents() == {"a": 50, "b": 50}

    on_stage(tmp_path, test)


def test_a_model_that_had_everything_and_is_gone_gives_it_back(tmp_path: Path) -> None:
    """Nobody fails whom the old one can answer, though nothing is counted of a model that is not asked."""

    async def test(stage: Stage) -> None:
        stage.begin(steps=(100,))
        await stage.tick(2)
        assert stage.percents() == {"b": 100}
        stage.away.update(a=AWAY, b=AWAY)
        await stage.tick(2)
        assert stage.percents() == {"b": 100}
        del stage.away["a"]
        ended = await stage.tick()
        assert (ended.phase, stage.percents()) == ("aborted", {"a": 100})
        assert ended.reason is not None
        assert ended.reason.code == "rollout_lost"

    on_stage(tmp_path, test)


def test_a_model_that_only_loads_after_a_restart_keeps_everything(tmp_path: Path) -> None:
    """The gateway has just begun to look; one that is known to be down gives it back."""

    async def begun(stage: Stage) -> None:
        stage.begin(steps=(100,))
        await stage.tick(2)

    on_stage(tmp_path, begun)
    again = Stage(tmp_path)
    again.away["b"] = AWAY

    async def loading() -> None:
        async with again.conductor.life():
            await again.tick(2)
            assert again.percents() == {"b": 100}
            again.away["b"] = FreeholdError("upstream_unhealthy", model="b", status=500)
            await again.tick()
            assert again.percents() == {"a": 100}

    run_by_hand(loading())


def test_another_gateway_follows_and_takes_over(tmp_path: Path) -> None:
    """Only one conducts; what it writes is in force at both, and a new one goes on where the file says."""
    first, second = Stage(tmp_path), Stage(tmp_path)

    async def run() -> None:
        async with AsyncExitStack() as leading:
            await leading.enter_async_context(first.conductor.life())
            async with second.conductor.life():
                second.begin()
                await first.tick(2)
                await second.tick()
                assert first.percents() == second.percents() == {"a": 95, "b": 5}
                second.wish("promote")
                await second.tick()
                assert second.percents() == {"a": 95, "b": 5}
                await leading.aclose()
                await second.tick()
                assert second.percents() == {"a": 50, "b": 50}

    run_by_hand(run())


def test_a_disk_that_takes_no_writing_keeps_shares_from_rising_and_not_from_falling(tmp_path: Path) -> None:
    """A rise that is not written does not happen; an end happens all the same, and is written later."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(3)
        goldens = stage.ledger.folder / "goldens"
        goldens.rmdir()
        goldens.write_text("in the way")
        stage.answered("b")
        await stage.tick(2, after_s=11)
        assert stage.percents() == {"a": 95, "b": 5}
        assert any("rollouts" in cause for cause in stage.conductor.problems)
        stage.answered("b", 5, status=502)
        assert (await stage.tick()).phase == "running"
        assert stage.percents() == {"a": 100}
        goldens.unlink()
        assert (await stage.tick()).phase == "aborted"
        assert stage.conductor.problems == {}

    on_stage(tmp_path, test)


def test_a_model_that_the_configuration_loses_ends_its_rollout(tmp_path: Path) -> None:
    """There is nobody to give requests to."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(2)
        stage.config = config(models="ac")
        stage.conductor.take(stage.config)
        ended = await stage.tick()
        assert (ended.phase, stage.percents()) == ("aborted", {"a": 100})

    on_stage(tmp_path, test)


def test_an_old_model_that_the_configuration_loses_leaves_its_share_to_nobody_new(tmp_path: Path) -> None:
    """From the first moment: the route's own models have it, before the rollout is ended."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(2)
        stage.config = config(Route("chat", (RouteTarget("c"),)), models="bc")
        stage.conductor.take(stage.config)
        assert stage.percents() == {"c": 100}
        ended = await stage.tick()
        assert (ended.phase, stage.percents()) == ("aborted", {"c": 100})

    on_stage(tmp_path, test)


def test_an_end_that_could_not_be_written_does_not_end_another_rollout(tmp_path: Path) -> None:
    """Somebody removed the record meanwhile, and began again."""

    async def test(stage: Stage) -> None:
        stage.begin(asked_at=1.0)
        await stage.tick(3)
        goldens = stage.ledger.folder / "goldens"
        goldens.rmdir()
        goldens.write_text("in the way")
        stage.answered("b", 5, status=502)
        await stage.tick()
        assert stage.percents() == {"a": 100}
        (stage.ledger.folder / "chat.json").unlink()
        goldens.unlink()
        stage.begin(asked_at=2.0)
        assert (await stage.tick(3)).phase == "running"
        assert stage.percents() == {"a": 95, "b": 5}

    on_stage(tmp_path, test)


def test_a_damaged_record_is_told_and_the_files_weights_hold(tmp_path: Path) -> None:
    """Nothing else is kept from moving by it."""

    async def test(stage: Stage) -> None:
        (stage.ledger.folder / "other.json").write_text("{")
        stage.begin()
        await stage.tick(2)
        assert stage.percents() == {"a": 95, "b": 5}
        assert any("other.json" in cause for cause in stage.conductor.problems)

    on_stage(tmp_path, test)


def test_a_new_process_goes_on_where_the_file_says(tmp_path: Path) -> None:
    """From its first moment, before a request is answered."""

    async def test(stage: Stage) -> None:
        stage.begin()
        await stage.tick(2)
        stage.wish("promote")
        await stage.tick()

    on_stage(tmp_path, test)
    again = Stage(tmp_path)

    async def anew() -> None:
        async with again.conductor.life():
            assert again.percents() == {"a": 50, "b": 50}

    run_by_hand(anew())
