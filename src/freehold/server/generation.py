"""From the fields of a request for text to what an engine is asked, and several answers side by side."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

from freehold.config import Defaults
from freehold.engine.generation import Constraint, GenerateRequest, Sampling, TextEngine
from freehold.protocol.generation import LEAST_TOP_P, GenerationFields
from freehold.server.models import Served

T = TypeVar("T")

LONG_BYTES = 4 * 1024
"""A body beyond this becomes a prompt on another thread: a tokenizer takes 1 us a byte, a template as much again."""

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)


def text_engine(served: Served) -> TextEngine:
    """The engine of a model of kind `generate`, which `chosen` has made sure of."""
    return cast(TextEngine, served.engine)


def engine_request(
    engine: TextEngine,
    defaults: Defaults,
    fields: GenerationFields,
    prompt: Sequence[int],
    *,
    number: int = 0,
    max_tokens: int | None = None,
    logprobs: int | None = None,
    constraint: Constraint | None = None,
) -> GenerateRequest:
    """What the engine is asked for answer `number` of a prompt; `defaults` are the configuration's.

    Raises `parameter_invalid` for a `logit_bias` key.
    """
    return GenerateRequest(
        prompt,
        max_tokens,
        sampling(engine, defaults, fields, number),
        fields.stops() or defaults.stop,
        frozenset(fields.stop_token_ids or ()),
        bool(fields.ignore_eos),
        logprobs,
        constraint,
        sharing=fields.cache_salt or "",
    )


def sampling(engine: TextEngine, defaults: Defaults, fields: GenerationFields, number: int = 0) -> Sampling:
    """How tokens are drawn: as the request says, else the model's configuration, else its generation_config.json.

    A seed is counted up over the answers of one request, or all would be the same.
    """
    sources = (fields, defaults, engine.defaults)
    drawn: dict[str, Any] = {name: _first(name, sources) for name in _SAMPLING}
    drawn["top_p"] = max(drawn["top_p"], LEAST_TOP_P)
    drawn["top_k"] = max(drawn["top_k"], 0)
    if drawn["seed"] is not None:
        drawn["seed"] += number
    return Sampling(**drawn, logit_bias=fields.biases())


async def side_by_side(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """The items of all streams as they come, each with its stream's number.

    No stream is ahead of its reader by more than one item. When one fails, or the reader leaves, all are closed.
    """
    if len(streams) == 1:
        async with aclosing(streams[0]) as only:
            async for item in only:
                yield 0, item
        return
    pending = {asyncio.ensure_future(anext(stream, None)): number for number, stream in enumerate(streams)}
    try:
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for step in done:
                number, following = pending.pop(step), step.result()
                if following is not None:
                    yield number, following
                    pending[asyncio.ensure_future(anext(streams[number], None))] = number
    finally:
        for step in pending:
            step.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for stream in streams:
            await stream.aclose()


def _first(name: str, sources: Sequence[object]) -> Any:
    values = (getattr(source, name) for source in sources)
    return next((value for value in values if value is not None), None)
