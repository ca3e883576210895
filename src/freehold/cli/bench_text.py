"""`freehold bench` of a generate model: time to the first token, time a token, tokens a second, and the raw runtime."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from freehold.artifact import Artifact
from freehold.cli.progress import Say
from freehold.cli.sources import Place, prepared
from freehold.config import ModelConfig
from freehold.engine.decoder_session import DecoderSession, Row, open_decoder
from freehold.engine.generation import GenerateRequest, Sampling
from freehold.engine.kv_memory import KvMemory, Layout
from freehold.engine.providers import SessionOptions
from freehold.engine.text import OnnxTextEngine

STREAMS = (1, 4, 8, 16)
PROMPT_TOKENS = 32
MOST_TOKENS = 512
LEAST_TOKENS = 4
"""Of each stream, however short the measurement: rates are taken between tokens."""
PATIENCE_S = 600.0
_SPARE_ROWS = 2
"""Rows that the session may add to a step."""


@dataclass(frozen=True)
class TextLevel:
    """What was measured with `streams` answers at a time; rates are of all streams together while all were running.

    `raw_tokens_per_s` is the same graph on the same threads, called step after step with nothing around it.
    """

    streams: int
    tokens: int
    tokens_per_s: float
    first_token_ms: float  # median
    token_p50_ms: float
    token_p99_ms: float
    cpu_ms_per_token: float  # of the whole process, prompts included
    raw_tokens_per_s: float = 0.0

    @property
    def share(self) -> float:
        """Of the raw runtime's rate."""
        return self.tokens_per_s / self.raw_tokens_per_s if self.raw_tokens_per_s else 0.0


@dataclass
class _Window:
    """The time in which all streams answer: it opens when the last of them has begun."""

    awaited: int
    seconds: float
    end: float = float("inf")

    def begun(self, now: float) -> None:
        """One more stream has its first token."""
        self.awaited -= 1
        if not self.awaited:
            self.end = now + self.seconds


@dataclass
class _Clocked:
    """When the tokens of one answer came, in seconds of `perf_counter`."""

    asked: float
    tokens: list[float]


async def measure(engine: OnnxTextEngine, seconds: float, say: Say) -> list[TextLevel]:
    """Levels of 1, 4, 8 and 16 greedy answers at a time, `seconds` each, to prompts of 32 random tokens."""
    levels = []
    await _level(engine, 1, min(0.2, seconds))
    for streams in STREAMS:
        say(f"{engine.manifest.name}: {streams} streams, {seconds:g} s")
        levels.append(await _level(engine, streams, seconds))
    return levels


def measure_raw(model: ModelConfig, place: Place, seconds: float, say: Say) -> Iterator[float]:
    """Tokens a second of the runtime alone, for each number of streams. Raises FreeholdError."""
    artifact = Artifact.open(prepared(model, place, model.precision))
    decoder = artifact.manifest.decoder
    assert decoder is not None, "a text engine has opened it before"
    room = min(PROMPT_TOKENS + MOST_TOKENS, artifact.manifest.limits.positions)
    memory = KvMemory(Layout.of(decoder, room), max(STREAMS), max(STREAMS) + _SPARE_ROWS)
    try:
        session = open_decoder(artifact, SessionOptions(threads=place.cores), memory)
        session.measure()
        for streams in STREAMS:
            say(f"{model.id}: the runtime alone, {streams} rows, {seconds:g} s")
            yield _raw_rate(session, streams, room, decoder.vocab_size, seconds)
    finally:
        memory.close()


def _raw_rate(session: DecoderSession, streams: int, room: int, vocab: int, seconds: float) -> float:
    prompts = _prompts(streams, vocab, room)
    for slot, prompt in enumerate(prompts):
        session.prefill(slot, np.array(prompt, np.int64), 0)
    position, steps = len(prompts[0]), 0
    begun = time.perf_counter()
    while steps < LEAST_TOKENS or time.perf_counter() - begun < seconds:
        session.decode([Row(slot, position + steps % (room - position), 1) for slot in range(streams)])
        steps += 1
    return round(streams * steps / (time.perf_counter() - begun), 2)


async def _level(engine: OnnxTextEngine, streams: int, seconds: float) -> TextLevel:
    decoder = engine.manifest.decoder
    assert decoder is not None, "a text engine has none without"
    prompts = _prompts(streams, decoder.vocab_size, engine.context_length)
    most = min(MOST_TOKENS, engine.max_output_tokens, engine.context_length - len(prompts[0]))
    cpu, window = time.process_time(), _Window(streams, seconds)
    answers = await asyncio.gather(*(_answer(engine, prompt, most, window) for prompt in prompts))
    cpu = time.process_time() - cpu
    begin = max(answer.tokens[0] for answer in answers)
    end = min(answer.tokens[-1] for answer in answers)
    counted = sum(sum(begin < at <= end for at in answer.tokens) for answer in answers)
    gaps = np.concatenate([np.diff(answer.tokens) for answer in answers])
    p50, p99 = np.percentile(gaps, (50, 99))
    tokens = sum(len(answer.tokens) for answer in answers)
    return TextLevel(
        streams=streams,
        tokens=tokens,
        tokens_per_s=round(counted / max(end - begin, 1e-9), 2),
        first_token_ms=round(1000 * float(np.median([one.tokens[0] - one.asked for one in answers])), 2),
        token_p50_ms=round(1000 * float(p50), 3),
        token_p99_ms=round(1000 * float(p99), 3),
        cpu_ms_per_token=round(1000 * cpu / tokens, 3),
    )


async def _answer(engine: OnnxTextEngine, prompt: list[int], most: int, window: _Window) -> _Clocked:
    """One answer, left alone until the end of `window` or its own; never before a few tokens came."""
    request = GenerateRequest(prompt, most, Sampling(temperature=0), ignore_end=True)
    clocked = _Clocked(time.perf_counter(), [])
    pieces = engine.generate(request, asyncio.get_running_loop().time() + PATIENCE_S)
    async for piece in pieces:
        now = time.perf_counter()
        if piece.ids and not clocked.tokens:
            window.begun(now)
        clocked.tokens += [now] * len(piece.ids)
        if now >= window.end and len(clocked.tokens) >= LEAST_TOKENS:
            await pieces.aclose()
            break
    return clocked


def _prompts(streams: int, vocab: int, room: int) -> list[list[int]]:
    """Seeded; equal lengths, and short enough to leave half of the context to answers."""
    length = min(PROMPT_TOKENS, room // 2)
    prompts: list[list[int]] = np.random.default_rng(0).integers(0, vocab, (streams, length)).tolist()
    return prompts


def facts(engine: OnnxTextEngine) -> dict[str, Any]:
    """What a table of levels should say of the model."""
    return {
        "context_length": engine.context_length,
        "slots": max(STREAMS),
        "prompt_tokens": PROMPT_TOKENS,
    }


def table(levels: Sequence[TextLevel]) -> list[tuple[str, ...]]:
    """Head and cells."""
    head = ("STREAMS", "TOKENS/S", "FIRST MS", "P50 MS", "P99 MS", "CPU MS/TOKEN", "RAW TOKENS/S", "SHARE")
    rows = [
        (
            str(level.streams),
            f"{level.tokens_per_s:.1f}",
            f"{level.first_token_ms:.1f}",
            f"{level.token_p50_ms:.2f}",
            f"{level.token_p99_ms:.2f}",
            f"{level.cpu_ms_per_token:.2f}",
            f"{level.raw_tokens_per_s:.1f}",
            f"{level.share:.0%}",
        )
        for level in levels
    ]
    return [head, *rows]


def as_data(level: TextLevel) -> dict[str, Any]:
    """A level for `--json`."""
    return {**asdict(level), "share_of_raw": round(level.share, 3)}
