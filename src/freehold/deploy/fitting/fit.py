"""Whether the models of a configuration fit a machine: weights + KV at context x concurrency + workspace, by rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from freehold.config import Config, ModelConfig
from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.needs import (
    CUDA_CONTEXT_BYTES,
    KV_SHARE,
    MIB,
    PROCESS_BYTES,
    UNASKED_TOKENS,
    Load,
    Need,
    container_load,
    kv_bytes,
    load_of,
    need,
)
from freehold.deploy.fitting.needs_vllm import load_of_vllm, need_of_card, options_of
from freehold.deploy.services.devices import Devices
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError

Verdict = Literal["fits", "less", "no", "unknown"]
"""`less`: it runs, with fewer sequences of full length than it computes at a time, or with less than is said of it;
`unknown`: nothing to compare."""

FARTHEST = 1 << 22
"""Tokens, and sequences, beyond which nobody asks what still fits."""


@dataclass(frozen=True)
class Card:
    """One GPU, in bytes."""

    index: int
    name: str
    total: int
    free: int


@dataclass(frozen=True)
class Machine:
    """What a machine or container has left. `memory` in bytes, None for a cluster whose nodes nobody asked; `total`:
    what it had, where that is known."""

    memory: int | None
    cores: int
    cards: tuple[Card, ...] = ()
    total: int | None = None


@dataclass(frozen=True)
class Row:
    """One model in one place ("memory", "GPU 0,1"). Sizes in bytes; `available` to it, after those before it.

    `most_context` is the largest at this concurrency, `most_concurrency` the largest at this context; None where
    neither depends on it.
    """

    model: str
    place: str
    need: Need
    load: Load | None
    available: int | None
    verdict: Verdict
    most_context: int | None = None
    most_concurrency: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Fit:
    """All rows, the server's own first."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Nothing is too large."""
        return all(row.verdict != "no" for row in self.rows)

    def refusal(self) -> FreeholdError | None:
        """`fit_too_large` with the whole table in its details, or None where everything fits."""
        if self.ok:
            return None
        large = [row for row in self.rows if row.verdict == "no"]
        worst = large[0]
        return FreeholdError(
            "fit_too_large",
            model=worst.model,
            place=worst.place,
            needed_mb=_up(worst.need.sum),
            available_mb=(worst.available or 0) // MIB,
            others=", ".join(row.model for row in large[1:]) or "-",
            largest=largest_of(worst),
            table=self.table(),
        )

    def table(self) -> str:
        """The rows as text: model, place, weights, KV, workspace, sum, available, verdict; sizes in MiB."""
        head = ("model", "where", "weights", "KV", "workspace", "sum", "available", "verdict")
        cells = [head, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < 2 or column == len(head) - 1 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        )


def fitting(
    config: Config,
    files: Mapping[str, ModelFiles],
    machine: Machine,
    units: Sequence[Unit] | None = None,
    more: Mapping[str, Need] = MappingProxyType({}),
) -> Fit:
    """Whether what this machine would run of `config` fits it. `files` by the ids of models; others are left out.

    `units` are the services of a deployment that run its models; None: one process serves all. Models take memory in
    their order, each after those before it; `more`, by name what else is to run, takes what they leave.

    Raises FreeholdError `fit_unreadable`.
    """
    here = [model for model in config.models if model.id in files and model.hosting != "upstream" and not model.command]
    room, devices = _Room(machine), Devices()
    services = {model.id: unit for unit in units or () for model in unit.models}
    rows = [_processes(1 if units is None else sum(unit.role in ("models", "gateway") for unit in units), room)]
    for model in here:
        unit = services.get(model.id)
        share = options_of(model).share if model.engine == "vllm" else None
        cards = devices.take(model.gpu_request, share) if unit is None else unit.gpu_ids
        if model.engine == "vllm":
            rows.append(_on_cards(model, files[model.id], room, cards))
        elif model.device in ("cuda", "tensorrt"):
            rows.append(_on_card(model, files[model.id], room, cards))
        else:
            rows.append(_in_memory(model, files[model.id], room, unit))
    for name, size in more.items():
        available = room.take(size.sum)
        verdict = _verdict(size.sum, available)
        rows.append(Row(name, "memory", size, None, available, "less" if verdict == "no" else verdict))
    return Fit(tuple(rows))


def largest_of(row: Row) -> str:
    """What still fits, in words; "" where neither context nor concurrency would help."""
    said = []
    if row.load is not None and row.most_context:
        said.append(f"context_length {row.most_context:,} at {row.load.concurrency} at a time")
    if row.load is not None and row.most_concurrency:
        said.append(f"{row.most_concurrency:,} at a time at context_length {row.load.context:,}")
    return ", or ".join(said) or "nothing of it"


class _Room:
    """What is left while models take their places."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memory = machine.memory
        self.cards = {str(card.index): card.free for card in machine.cards}

    def take(self, size: int) -> int | None:
        """Take memory; what there was before."""
        before = self.memory
        self.memory = None if before is None else max(0, before - size)
        return before


def _processes(count: int, room: _Room) -> Row:
    """The servers themselves."""
    size = Need(0, 0, count * PROCESS_BYTES, (f"workspace = {count} x {PROCESS_BYTES // MIB} MiB of a server",))
    available = room.take(size.sum)
    name = "(server)" if count == 1 else "(servers)"
    return Row(name, "memory", size, None, available, _verdict(size.sum, available))


def _in_memory(model: ModelConfig, files: ModelFiles, room: _Room, unit: Unit | None) -> Row:
    """A model on the processor. A decoder gets what the engine's own rule leaves for keys and values, unless its
    service is told: then all of that must be there."""
    resources, available = model.resources, room.memory
    cores = min(room.machine.cores, max(1, int(unit.cpu))) if unit is not None and unit.cpu else room.machine.cores
    is_told = unit is not None and resources.memory_mb is None and model.generation.kv_mb is None
    load = container_load(model, files) if is_told else load_of(model, files)
    if files.kind != "generate" or available is None or is_told:
        size = need(model, files, load, cores)
        room.take(size.sum)
        fits = _fits_in(available)
        row = Row(model.id, "memory", size, load, available, _verdict(size.sum, available))
        return _with_largest(row, lambda asked: fits(need(model, files, asked, cores)), files, concurrency=is_told)
    stated, weights = model.generation.kv_mb, need(model, files, load, cores).weights
    budget = max(0, available - weights) // KV_SHARE if stated is None else stated * MIB

    def bears(asked: Load) -> bool:
        assert files.shape is not None
        size = need(model, files, asked, cores, budget)
        return size.sum <= available and kv_bytes(files.shape, asked) <= budget

    size = need(model, files, load, cores, budget)
    room.take(size.sum)
    least = load if model.limits.concurrency and model.context_length else replace(load, concurrency=1)
    if model.context_length is None:
        least = replace(least, context=min(least.context, UNASKED_TOKENS))
    verdict: Verdict = "fits" if bears(load) else "less" if bears(least) else "no"
    return _with_largest(Row(model.id, "memory", size, load, available, verdict), bears, files, concurrency=True)


def _on_cards(model: ModelConfig, files: ModelFiles, room: _Room, cards: tuple[str, ...]) -> Row:
    """A model in vLLM: the least share of its cards that is both granted and free."""
    load, share = load_of_vllm(model, files), options_of(model).share
    size = need_of_card(model, files, load)
    totals = {str(card.index): card.total for card in room.machine.cards}
    place = f"GPU {','.join(cards)}" if cards else "GPU"
    if not totals:
        return Row(model.id, place, size, load, None, "unknown", note="no GPU was found here")
    missing = [card for card in cards if card not in totals]
    if missing:
        return Row(model.id, place, size, load, 0, "no", note=f"there is no GPU {', '.join(missing)}")
    granted = {card: int(totals[card] * share) for card in cards}
    free = min(room.cards[card] for card in cards)
    available = min(granted.values())
    for card in cards:
        room.cards[card] -= granted[card]
    note = ""
    verdict = _verdict(size.sum, available)
    if free < available:  # vLLM refuses to start then, whatever it needs
        verdict, note = "no", f"only {free // MIB:,} MiB are free of the {available // MIB:,} that vLLM would take"
    row = Row(model.id, place, size, load, available, verdict, note=note)
    return _with_largest(row, lambda asked: need_of_card(model, files, asked).sum <= available, files, concurrency=True)


def _on_card(model: ModelConfig, files: ModelFiles, room: _Room, cards: tuple[str, ...]) -> Row:
    """A model of ours on one card: the weights and workspace that it would take of memory, and CUDA's own."""
    load = load_of(model, files)
    host = need(model, files, load, cores=1)
    size = replace(
        host,
        workspace=host.workspace + CUDA_CONTEXT_BYTES,
        formula=(*host.formula, f"and {CUDA_CONTEXT_BYTES // MIB} MiB of CUDA (assumed)"),
    )
    card = cards[0] if cards else "0"
    available = room.cards.get(card)
    verdict = _verdict(size.sum, available)
    if available is not None:
        room.cards[card] = max(0, available - size.sum)
    row = Row(model.id, f"GPU {card}", size, load, available, verdict)
    fits = _fits_in(available)
    return _with_largest(row, lambda asked: fits(need(model, files, asked, 1)), files, concurrency=False)


def _fits_in(available: int | None) -> Callable[[Need], bool]:
    return lambda size: available is not None and size.sum <= available


def _verdict(size: int, available: int | None) -> Verdict:
    return "unknown" if available is None else "fits" if size <= available else "no"


def _with_largest(row: Row, bears: Callable[[Load], bool], files: ModelFiles, *, concurrency: bool) -> Row:
    """The row with the largest context and concurrency that `bears` says yes to."""
    if row.load is None or row.available is None or files.kind == "tensor":
        return row
    load, longest = row.load, (files.shape and files.shape.positions) or files.max_tokens or FARTHEST
    context = _largest(lambda size: bears(replace(load, context=size)), longest)
    count = _largest(lambda size: bears(replace(load, concurrency=size)), FARTHEST) if concurrency else None
    return replace(row, most_context=context, most_concurrency=count)


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that `holds` is true of, which is true of no larger one; 0 for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _cells(row: Row) -> tuple[str, ...]:
    size, available = row.need, "?" if row.available is None else f"{row.available // MIB:,}"
    numbers = (size.weights, size.kv, size.workspace, size.sum)
    return (row.model, row.place, *(f"{_up(number):,}" for number in numbers), available, row.verdict)


def _up(size: int) -> int:
    """Mebibytes, rounded up."""
    return -(-size // MIB)
