"""A text engine under random load: every answer right, memory flat."""

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from freehold.engine.generation import GenerateRequest, Sampling
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine

FAR = 1e12
SHORT_S, SOAK_S = 6.0, float(os.environ.get("FREEHOLD_SOAK_S", "600"))
CLIENTS, LONGEST = 20, 48
SETTINGS = EngineSettings(cores=2, slots=6, kv_mb=1, prefix_cache_mb=1)
GROWTH_BYTES = 32 << 20


def resident_bytes() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def made_prompts(rng: random.Random) -> list[list[int]]:
    """Half of them begin alike, a third repeat themselves."""
    shared = [rng.randrange(300) for _ in range(128)]
    prompts = []
    for number in range(18):
        body = [rng.randrange(300) for _ in range(rng.choice((1, 7, 40, 64, 65, 150)))]
        if number % 3 == 0:
            body = body[:5] * 8
        prompts.append(shared + body if number % 2 else body)
    return prompts


class Load:
    """Clients that come, ask, and sometimes leave; what they hear is compared with what was heard alone."""

    def __init__(self, engine: OnnxTextEngine) -> None:
        self.engine = engine
        self.rng = random.Random(5)
        self.prompts = made_prompts(self.rng)
        self.alone: list[list[int]] = []
        self.whole = self.left = 0

    async def learn(self) -> None:
        """Every answer alone."""
        self.alone = [await self.ask(prompt, LONGEST) for prompt in self.prompts]

    async def ask(self, prompt: list[int], most: int, leaves_after: int = LONGEST) -> list[int]:
        """An answer, or its beginning."""
        request = GenerateRequest(prompt, max_tokens=most, sampling=Sampling(temperature=0), ignore_end=True)
        ids: list[int] = []
        async with aclosing(self.engine.generate(request, FAR)) as pieces:
            async for piece in pieces:
                ids += piece.ids
                if len(ids) >= leaves_after:
                    break
        return ids

    async def run(self, seconds: float) -> None:
        """All clients for a while."""
        clock = asyncio.get_running_loop()
        await asyncio.gather(*(self._client(clock.time() + seconds) for _ in range(CLIENTS)))

    async def _client(self, end: float) -> None:
        clock, rng = asyncio.get_running_loop(), self.rng
        while clock.time() < end:
            index, most = rng.randrange(len(self.prompts)), rng.randint(1, LONGEST)
            leaves_after = rng.randint(1, LONGEST) if rng.random() < 0.3 else LONGEST
            ids = await self.ask(self.prompts[index], most, leaves_after)
            assert ids == self.alone[index][: len(ids)]
            assert len(ids) >= min(most, leaves_after)
            self.whole += len(ids) == most
            self.left += len(ids) < most
            await asyncio.sleep(rng.random() * 0.01)


@pytest.mark.parametrize("seconds", [SHORT_S, pytest.param(SOAK_S, marks=pytest.mark.soak)])
@pytest.mark.parametrize("precision", ["fp32", "fast"])
def test_every_answer_is_right_and_memory_stays_flat(
    decoder_artifact: Callable[..., Path], precision: str, seconds: float
) -> None:
    """Twenty clients on six slots, with memory for fewer; nothing is left of them in the end."""

    async def soak() -> None:
        engine = open_artifact(decoder_artifact(precision), SETTINGS)
        assert isinstance(engine, OnnxTextEngine)
        await engine.load()
        load = Load(engine)
        await load.learn()
        await load.run(seconds / 4)
        before = resident_bytes()
        await load.run(seconds)
        assert load.whole > 10
        assert load.left > 0
        after = resident_bytes()
        seen = f"{load.whole} answers whole, {load.left} left; {before >> 20} -> {after >> 20} MB"
        print(seen)  # noqa: T201 - what `make soak` is run for
        assert after - before < GROWTH_BYTES
        assert engine._loop is not None
        cache = engine._loop._cache
        while cache.used:  # noqa: ASYNC110 - the last who left are let go by a thread
            await asyncio.sleep(0.001)
        assert cache.memory.resident_bytes <= 4 * cache.memory.layout.row_bytes  # rows that fill up a step
        assert engine._loop._prefixes.used_bytes <= 1 << 20
        await engine.close(5.0)

    asyncio.run(soak())
