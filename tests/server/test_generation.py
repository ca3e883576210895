"""What an engine is asked for, and several answers side by side."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import pytest

from freehold.config import Defaults
from freehold.engine.generation import TextEngine
from freehold.protocol.generation import LEAST_TOP_P, GenerationFields
from freehold.server.generation import engine_request, sampling, side_by_side, text_engine
from freehold.server.models import Served


def fields(**given: object) -> GenerationFields:
    return msgspec.convert(given, GenerationFields)


@pytest.fixture
def engine(talker: Served) -> TextEngine:
    """A loaded engine."""
    return text_engine(talker)


def test_the_request_goes_before_the_configuration_before_the_model(engine: TextEngine) -> None:
    """Key by key; what nobody says stays as the model's files have it."""
    configured = Defaults(temperature=0.5, top_k=7, stop=("END",))
    drawn = sampling(engine, configured, fields(temperature=0.25))
    assert (drawn.temperature, drawn.top_k, drawn.min_p) == (0.25, 7, engine.defaults.min_p)
    assert engine_request(engine, configured, fields(), [1]).stop == ("END",)
    assert engine_request(engine, configured, fields(stop="x"), [1]).stop == ("x",)
    assert sampling(engine, Defaults(), fields()) == engine.defaults


def test_values_that_mean_all_or_the_best_alone_are_made_so(engine: TextEngine) -> None:
    """`top_k` -1 is all tokens; `top_p` 0 is the best one."""
    drawn = sampling(engine, Defaults(), fields(top_k=-1, top_p=0))
    assert (drawn.top_k, drawn.top_p) == (0, LEAST_TOP_P)


def test_a_seed_is_counted_up_over_the_answers(engine: TextEngine) -> None:
    """Or all of them would be the same; none stays none."""
    assert [sampling(engine, Defaults(), fields(seed=5), number).seed for number in range(3)] == [5, 6, 7]
    assert sampling(engine, Defaults(), fields(), 2).seed is None


def test_everything_of_a_request_reaches_the_engine(engine: TextEngine) -> None:
    """Stops, ids, bias, limits."""
    asked = fields(stop=["a", ""], stop_token_ids=[3], ignore_eos=True, logit_bias={"4": -1})
    request = engine_request(engine, Defaults(), asked, [1, 2], max_tokens=9, logprobs=2)
    assert (request.prompt, request.max_tokens, request.logprobs) == ([1, 2], 9, 2)
    assert (request.stop, request.stop_ids, request.ignore_end) == (("a",), frozenset({3}), True)
    assert request.sampling.logit_bias == {4: -1}
    assert (request.sharing, engine_request(engine, Defaults(), fields(cache_salt="s"), [1]).sharing) == ("", "s")


class Streams:
    """Streams of numbers, and which of them were closed."""

    def __init__(self) -> None:
        self.closed: list[int] = []
        self.made: list[int] = []

    async def of(self, number: int, count: int, *, fails: bool = False) -> AsyncGenerator[int, None]:
        try:
            for item in range(count):
                await asyncio.sleep(0)
                self.made.append(number)
                yield item
            if fails:
                raise ValueError(number)
        finally:
            self.closed.append(number)


@pytest.mark.anyio
@pytest.mark.parametrize("counts", [(3,), (2, 0, 4), (1, 1)])
async def test_all_items_come_each_stream_in_its_order(counts: tuple[int, ...]) -> None:
    """One stream or several, of different lengths."""
    streams = Streams()
    found = [pair async for pair in side_by_side([streams.of(n, count) for n, count in enumerate(counts)])]
    assert sorted(found) == [(n, item) for n, count in enumerate(counts) for item in range(count)]
    assert sorted(streams.closed) == list(range(len(counts)))


@pytest.mark.anyio
async def test_one_that_fails_closes_the_others() -> None:
    """And its failure is everybody's."""
    streams = Streams()
    with pytest.raises(ValueError, match="1"):
        async for _ in side_by_side([streams.of(0, 1000), streams.of(1, 2, fails=True)]):
            pass
    assert sorted(streams.closed) == [0, 1]


@pytest.mark.anyio
async def test_a_reader_that_leaves_closes_all_and_none_ran_ahead() -> None:
    """Each stream is at most one item ahead of its reader."""
    streams = Streams()
    both = side_by_side([streams.of(0, 1000), streams.of(1, 1000)])
    for _ in range(4):
        await anext(both)
    await both.aclose()
    assert sorted(streams.closed) == [0, 1]
    assert len(streams.made) <= 6
