"""`freehold bench`: how fast this machine runs a model, in this process and without HTTP."""

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from freehold.cli import bench_text
from freehold.cli.bench_text import TextLevel
from freehold.cli.local import loaded, local_place, model_meant
from freehold.cli.output import Output
from freehold.cli.progress import Say, working
from freehold.cli.samples import text_requests
from freehold.cli.sources import Place
from freehold.config import ModelConfig
from freehold.engine.base import Engine, Request, TensorRequest
from freehold.engine.batcher import Batch
from freehold.engine.encoder import Encoder
from freehold.engine.tensor import sample_row
from freehold.engine.text import OnnxTextEngine

CONCURRENCIES = (1, 8, 64)
REQUESTS = 512
"""How many different requests are made; they are repeated in order."""
WARM_S = 0.2
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Level:
    """What was measured with `concurrency` callers, each with one request of one item (text or row) at a time."""

    concurrency: int
    items: int
    seconds: float
    items_per_s: float
    tokens_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_item: float  # of the whole process, callers included
    items_per_batch: float


class Batches:
    """How many batches ran, and how many items they held."""

    def __init__(self) -> None:
        self._count = 0
        self._items = 0

    def add(self, batch: Batch) -> None:
        """Count one that has run."""
        self._count += 1
        self._items += batch.items

    def take_mean(self) -> float:
        """Items a batch since the last call; 0.0 when none ran."""
        mean = self._items / self._count if self._count else 0.0
        self._count = self._items = 0
        return mean


def bench(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model folder, an artifact, NAME:TAG of the store, an .onnx file, or an id of the configuration.",
        ),
    ],
    seconds: Annotated[float, typer.Option(min=0.01, help="How long each concurrency is measured.")] = 5.0,
    tune: Annotated[
        bool, typer.Option("--tune/--no-tune", help="Measure the fastest setting first, as `serve` does.")
    ] = True,
) -> None:
    """Measure throughput, latency and processor time of a model on this machine, for 1, 8 and 64 callers.

    The engine runs in this process as under `serve`, batching included, without HTTP. Texts are seeded, of heavy-tailed
    lengths: 30 tokens in the mean, up to the model's limit. Tensors are one row of seeded values. A generate model
    answers 1, 4, 8 and 16 streams at a time, beside the rate of the raw runtime. Stop other work on the machine before
    you compare numbers.
    """
    output: Output = ctx.obj
    model = model_meant(ref, os.environ, Path.cwd())
    slots = max(model.generation.slots, *bench_text.STREAMS)
    model = msgspec.structs.replace(model, generation=msgspec.structs.replace(model.generation, slots=slots))
    with local_place(os.environ, tune=tune) as place, working(f"{model.id}: loading and tuning") as say:
        facts, levels = asyncio.run(_measure(model, place, seconds, say))
        texts = [level for level in levels if isinstance(level, TextLevel)]
        if texts:
            rates = bench_text.measure_raw(model, place, seconds, say)
            levels = [replace(level, raw_tokens_per_s=rate) for level, rate in zip(texts, rates, strict=True)]
    output.show({**facts, "levels": [_data(level) for level in levels]}, _text(facts, levels))


async def _measure(
    model: ModelConfig, place: Place, seconds: float, say: Say
) -> tuple[dict[str, Any], Sequence[Level | TextLevel]]:
    batches = Batches()
    async with loaded(model, place, batches.add) as engine:
        if isinstance(engine, OnnxTextEngine):
            return _facts(engine, model, place), await bench_text.measure(engine, seconds, say)
        requests = _requests(engine, model)
        levels = []
        for concurrency in CONCURRENCIES:
            say(f"{model.id}: {concurrency} callers, {seconds:g} s")
            await _level(engine, requests, concurrency, min(WARM_S, seconds), batches)
            levels.append(await _level(engine, requests, concurrency, seconds, batches))
        return _facts(engine, model, place), levels


def _facts(engine: Engine, model: ModelConfig, place: Place) -> dict[str, Any]:
    tuning, kind = engine.tuning, engine.manifest.kind
    facts = {
        "model": model.id,
        "kind": kind,
        "precision": engine.precision,
        "proof": engine.proof.status,
        "digest": engine.digest,
        "unit": {"tensor": "rows", "generate": "tokens"}.get(kind, "texts"),
        "processor": place.cpu.model,
        "cores": place.cores,
        "threads": tuning.threads if tuning is not None else None,
        "batch_budget": tuning.budget if tuning is not None else None,
    }
    return {**facts, **bench_text.facts(engine)} if isinstance(engine, OnnxTextEngine) else facts


def _requests(engine: Engine, model: ModelConfig) -> list[Request]:
    if isinstance(engine, Encoder):
        made = text_requests(engine.manifest.kind, engine.tokenizer, engine.max_tokens)
        return list(islice(made, REQUESTS))
    return [TensorRequest(sample_row(engine.manifest.inputs, model.input_shape, seed)) for seed in range(16)]


async def _level(
    engine: Engine, requests: Sequence[Request], concurrency: int, seconds: float, batches: Batches
) -> Level:
    """Each caller sends its next request when it has the answer to its last one."""
    loop = asyncio.get_running_loop()
    turns = itertools.count()
    spent: list[float] = []
    tokens = 0
    batches.take_mean()

    async def call(until: float) -> None:
        nonlocal tokens
        while True:
            request = requests[next(turns) % len(requests)]
            begun = time.perf_counter()
            answer = engine.at_once(request)
            if answer is None:
                answer = await engine.infer(request, loop.time() + PATIENCE_S)
            else:
                await asyncio.sleep(0)  # the other callers' turn, as between requests of a server
            ended = time.perf_counter()
            spent.append(ended - begun)
            tokens += answer.tokens
            if ended >= until:
                return

    cpu, begun = time.process_time(), time.perf_counter()
    await asyncio.gather(*(call(begun + seconds) for _ in range(concurrency)))
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    p50, p99 = np.percentile(spent, (50, 99))
    return Level(
        concurrency=concurrency,
        items=len(spent),
        seconds=round(wall, 4),
        items_per_s=round(len(spent) / wall, 2),
        tokens_per_s=round(tokens / wall, 1),
        p50_ms=round(1000 * float(p50), 4),
        p99_ms=round(1000 * float(p99), 4),
        cpu_ms_per_item=round(1000 * cpu / len(spent), 4),
        items_per_batch=round(batches.take_mean(), 2),
    )


def _data(level: Level | TextLevel) -> dict[str, Any]:
    return bench_text.as_data(level) if isinstance(level, TextLevel) else asdict(level)


def _text(facts: dict[str, Any], levels: Sequence[Level | TextLevel]) -> str:
    unit = facts["unit"]
    budget = "tokens" if unit == "texts" else "rows"
    lines = [
        f"{facts['model']}: {facts['kind']}, {facts['precision']}, proof {facts['proof']}",
        f"{facts['processor']}, {facts['cores']} cores",
    ]
    if facts["threads"] is not None:
        lines.append(f"{facts['threads']} threads, batches of up to {facts['batch_budget']} {budget}")
    texts = [level for level in levels if isinstance(level, TextLevel)]
    cells = bench_text.table(texts) if texts else _table(unit, [one for one in levels if isinstance(one, Level)])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(lines)


def _table(unit: str, levels: Sequence[Level]) -> list[tuple[str, ...]]:
    head = ("CALLERS", f"{unit.upper()}/S", "TOKENS/S", "P50 MS", "P99 MS", f"CPU MS/{unit.upper()[:-1]}", "BATCH")
    rows = [
        (
            str(level.concurrency),
            f"{level.items_per_s:.1f}",
            f"{level.tokens_per_s:.0f}" if unit == "texts" else "-",
            f"{level.p50_ms:.2f}",
            f"{level.p99_ms:.2f}",
            f"{level.cpu_ms_per_item:.3f}",
            f"{level.items_per_batch:.1f}",
        )
        for level in levels
    ]
    return [head, *rows]
