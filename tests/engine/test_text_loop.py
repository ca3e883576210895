"""The thread of a text engine: who waits, who leaves, and what happens when a step fails."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freehold.engine.base import ScoreRequest
from freehold.engine.decoder_session import Row
from freehold.engine.generation import GenerateRequest, Sampling, Step
from freehold.engine.opening import open_artifact
from freehold.engine.sequence import Sequence
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine
from freehold.engine.text_loop import TextLoop
from freehold.errors import FreeholdError

FAR = 1e12
PLAIN = EngineSettings(cores=1, slots=2, kv_mb=8, prompt_lookup=False)
GREEDY = Sampling(temperature=0)

Talk = Callable[[OnnxTextEngine, TextLoop], Coroutine[Any, Any, Any]]


@asynccontextmanager
async def loaded(artifact: Path, settings: EngineSettings) -> AsyncIterator[OnnxTextEngine]:
    """An engine that is closed in the end."""
    engine = open_artifact(artifact, settings)
    assert isinstance(engine, OnnxTextEngine)
    await engine.load()
    try:
        yield engine
    finally:
        await engine.close(5.0)


@pytest.fixture
def running(decoder_artifact: Callable[..., Path]) -> Callable[..., Any]:
    """`running(talk, **settings)`: what `talk(engine, loop)` returns of an fp32 engine."""

    def run(talk: Talk, **changes: Any) -> Any:
        async def outer() -> Any:
            async with loaded(decoder_artifact(), replace(PLAIN, **changes)) as engine:
                assert engine._loop is not None
                return await asyncio.wait_for(talk(engine, engine._loop), 60)

        return asyncio.run(outer())

    return run


def request(prompt: list[int], most: int = 400, **options: Any) -> GenerateRequest:
    """A greedy one that does not end by itself."""
    return GenerateRequest(prompt, max_tokens=most, sampling=GREEDY, ignore_end=True, **options)


async def ids(engine: OnnxTextEngine, asked: GenerateRequest, deadline: float = FAR) -> list[int]:
    """The whole answer."""
    return [id_ async for piece in engine.generate(asked, deadline) for id_ in piece.ids]


async def begun(engine: OnnxTextEngine, asked: GenerateRequest) -> "asyncio.Task[list[int]]":
    """An answer that has its first token."""
    first = asyncio.Event()

    async def talk() -> list[int]:
        heard: list[int] = []
        async for piece in engine.generate(asked, FAR):
            heard += piece.ids
            first.set()
        return heard

    task = asyncio.create_task(talk())
    await asyncio.wait([task, asyncio.create_task(first.wait())], return_when=asyncio.FIRST_COMPLETED)
    return task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    while not condition():  # noqa: ASYNC110 - a thread has no event
        await asyncio.sleep(0.001)


def break_next_step(loop: TextLoop) -> None:
    """No request can hold such a token: the embedding of the graph refuses it, as a defect of ours would make it."""
    session = loop._session
    sound = session.decode

    def broken(rows: list[Row]) -> Any:
        session.decode = sound
        return sound([rows[0]._replace(token=10**6)])

    session.decode = broken


def halted_at(loop: TextLoop, rows: int) -> tuple[threading.Event, threading.Event]:
    """The engine's thread stops at the first step of `rows` rows: the events that it did, and that it may go on."""
    session = loop._session
    sound, reached, go_on = session.decode, threading.Event(), threading.Event()

    def halting(given: list[Row]) -> Any:
        if len(given) == rows:
            session.decode = sound
            reached.set()
            assert go_on.wait(60)
        return sound(given)

    session.decode = halting
    return reached, go_on


def slow_down(loop: TextLoop) -> None:
    """Answers last long enough to be met, however busy the machine is that the test runs on."""
    session = loop._session
    sound = session.decode

    def slow(rows: list[Row]) -> Any:
        time.sleep(0.002)
        return sound(rows)

    session.decode = slow


def test_who_stops_listening_frees_its_place(running: Callable[..., Any]) -> None:
    """Closing the iterator, cancelling the task, in the middle and before the first token."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        async with aclosing(engine.generate(request([1, 2]), FAR)) as pieces:
            await anext(pieces)
            assert loop._cache.used > 0
        await until(lambda: loop._cache.used == 0)
        task = await begun(engine, request([1, 2]))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await until(lambda: loop._cache.used == 0)
        slow_down(loop)
        holders = [await begun(engine, request([index])) for index in range(2)]
        waiting = asyncio.create_task(ids(engine, request([5])))
        await until(lambda: len(loop._scheduler.waiting) == 1)
        waiting.cancel()
        await until(lambda: not loop._scheduler.waiting)
        assert all(not holder.done() for holder in holders)
        for holder in holders:
            holder.cancel()
        await until(lambda: loop._scheduler.idle and loop._cache.used == 0)
        assert loop._cache.memory.resident_bytes <= 4 * loop._cache.memory.layout.row_bytes  # the scratch slot

    running(talk)


def test_a_cancelled_sequence_gets_no_further_step(running: Callable[..., Any]) -> None:
    """At most the one that was under way."""
    steps: list[Step] = []

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        async with aclosing(engine.generate(request([1, 2]), FAR)) as pieces:
            await anext(pieces)
        sequences = loop._scheduler.running
        seen = len(steps)
        await until(lambda: not sequences)
        await asyncio.sleep(0.05)
        assert len(steps) <= seen + 3  # reported but not yet delivered, under way, and the one that let go

    running(talk, on_step=steps.append)


def test_requests_wait_for_memory_in_the_order_they_came(running: Callable[..., Any]) -> None:
    """A large one is not overtaken by small ones that would fit; all are answered."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        slow_down(loop)
        free = loop._cache.tokens
        ended: list[str] = []

        async def ask(name: str, most: int) -> None:
            assert len(await ids(engine, request([1, 2, 3], most))) == most
            ended.append(name)

        first = asyncio.create_task(ask("first", 200))
        await until(lambda: loop._cache.used > 0)
        large = asyncio.create_task(ask("large", 470))
        await until(lambda: len(loop._scheduler.waiting) == 1)
        small = asyncio.create_task(ask("small", 4))
        await asyncio.gather(first, large, small)
        assert ended == ["first", "small", "large"]  # it began after the large one, and was shorter
        assert loop._cache.used == 0
        assert loop._cache.tokens == free

    # 640 tokens of memory: 256 and 512 do not fit together, 256 and 64 would.
    async def checked(engine: OnnxTextEngine, loop: TextLoop) -> None:
        loop._cache.tokens = 640
        await talk(engine, loop)

    running(checked, slots=4)


def test_a_first_token_that_comes_too_late_is_an_error_and_a_later_one_is_not(running: Callable[..., Any]) -> None:
    """The deadline is for the beginning; it names how long was waited."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        clock = asyncio.get_running_loop()
        slow_down(loop)
        holders = [await begun(engine, request([index], 500)) for index in range(2)]
        with pytest.raises(FreeholdError) as late:
            await ids(engine, request([5]), clock.time() + 0.02)
        assert late.value.code == "deadline_exceeded"
        for holder in holders:
            holder.cancel()
        assert len(await ids(engine, request([5], 300), clock.time() + 0.5)) == 300  # 600 ms, the first token in time
        with pytest.raises(FreeholdError, match="deadline_exceeded"):
            await ids(engine, request([5]), clock.time() - 1.0)

    running(talk)


def test_a_step_that_crashes_fails_what_ran_and_nothing_else(
    running: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An answer gets an error in its midst; who waited is answered; so is the next request, rightly."""
    steps: list[Step] = []

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        expected = await ids(engine, request([7, 8, 9], 20))
        slow_down(loop)
        tasks = [await begun(engine, request([index], 450)) for index in (1, 2)]
        waiting = asyncio.create_task(ids(engine, request([7, 8, 9], 20)))
        await until(lambda: len(loop._scheduler.waiting) == 1)
        break_next_step(loop)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one.code for one in outcomes if isinstance(one, FreeholdError)] == ["engine_stopped"] * 2
        assert await waiting == expected
        assert await ids(engine, request([7, 8, 9], 20)) == expected
        await until(lambda: loop._cache.used == 0)

    with caplog.at_level(logging.CRITICAL):
        running(talk, on_step=steps.append)
    assert [step.phase for step in steps].count("crash") == 1


def test_a_row_that_cannot_be_sampled_fails_alone(running: Callable[..., Any]) -> None:
    """Its neighbours get what they get without it."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        expected = await ids(engine, request([3], 60))
        slow_down(loop)
        reached, go_on = halted_at(loop, rows=2)
        task = asyncio.create_task(ids(engine, request([3], 60)))
        broken = asyncio.create_task(ids(engine, request([4], 300)))
        await until(reached.is_set)
        loop._cache.memory.base[:, :, loop._scheduler.running[1].slot] = float("nan")
        go_on.set()
        with pytest.raises(FreeholdError) as failed:
            await broken
        assert failed.value.code == "logits_invalid"
        assert await task == expected
        # What was in that slot is gone: a sequence that gets it next computes as if it were new.
        assert await asyncio.gather(*(ids(engine, request([3], 60)) for _ in range(2))) == [expected] * 2

    running(talk)


def test_capacity_counts_what_waits_and_runs(running: Callable[..., Any]) -> None:
    """In tokens of prompts, at the speed that was measured."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        idle = engine.capacity()
        assert (idle.unit, idle.queued, idle.running) == ("tokens", 0, 0)
        assert idle.per_second > 0
        await ids(engine, request([1], 30))
        slow_down(loop)
        tasks = [await begun(engine, request([index], 400)) for index in range(2)]
        tasks += [asyncio.create_task(ids(engine, request([1] * 100))) for _ in range(3)]
        await until(lambda: len(loop._scheduler.waiting) == 3)
        await until(lambda: engine.capacity().queued >= 300)
        for task in tasks:
            task.cancel()
        await until(lambda: loop._scheduler.idle)
        await until(lambda: engine.capacity().queued == 0)

    running(talk)


def test_steps_are_reported(running: Callable[..., Any]) -> None:
    """Each with its phase, its tokens, and what is promised of the memory."""
    steps: list[Step] = []

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        await asyncio.gather(ids(engine, request([1] * 10, 300)), ids(engine, request([2] * 20, 300)))

    running(talk, on_step=steps.append)
    prefills = [step for step in steps if step.phase == "prefill"]
    decodes = [step for step in steps if step.phase == "decode"]
    assert [step.tokens for step in prefills] == [10, 20]
    assert all(step.queued_s is not None and step.queued_s >= 0 for step in prefills)
    assert sum(step.tokens for step in decodes) == 2 * 299
    assert max(step.rows for step in decodes) == 2
    assert all(0 <= step.kv_tokens <= step.kv_capacity and step.seconds > 0 for step in steps)


def test_a_check_takes_its_turn_beside_answers(running: Callable[..., Any]) -> None:
    """From another thread, without disturbing them; without memory it says so."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        expected = await ids(engine, request([3], 100))
        score = engine.answer(ScoreRequest([3], expected))
        task = await begun(engine, request([3], 100))
        beside = await asyncio.to_thread(engine.answer, ScoreRequest([3], expected))
        assert (beside.outputs["token_ids"] == score.outputs["token_ids"]).all()
        assert await task == expected
        loop._cache.tokens = 64
        with pytest.raises(FreeholdError, match="kv_memory_taken"):
            engine.answer(ScoreRequest([3] * 100, [1]))

    running(talk)


def test_what_fails_while_a_prompt_is_let_in_is_told(
    running: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails between two queues: whoever asked hears of it, and nothing stays taken."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        expected = await ids(engine, request([7, 8, 9], 20))
        sound = loop._prefixes.restore

        def broken(keys: list[bytes], slot: int) -> int:
            loop._prefixes.restore = sound
            raise MemoryError("no room for a copy")

        loop._prefixes.restore = broken
        with pytest.raises(FreeholdError) as failed:
            await ids(engine, request([7, 8, 9], 20))
        assert failed.value.code == "engine_stopped"
        assert "no room for a copy" in failed.value.cause
        assert loop._cache.used == 0
        assert await ids(engine, request([7, 8, 9], 20)) == expected

    with caplog.at_level(logging.CRITICAL):
        running(talk)


def test_closing_waits_for_what_has_just_come(running: Callable[..., Any]) -> None:
    """Also for a request that has left one queue and is not in the next one yet."""

    async def talk(engine: OnnxTextEngine, loop: TextLoop) -> None:
        sound, between = loop._scheduler.add, threading.Event()

        def slow(sequence: Sequence) -> None:
            between.set()
            time.sleep(0.05)
            sound(sequence)

        loop._scheduler.add = slow
        task = asyncio.create_task(ids(engine, request([1, 2, 3], 5)))
        await until(between.is_set)
        await engine.close(5.0)
        assert len(await task) == 5

    running(talk)
