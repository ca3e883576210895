"""What is asked of a quantization, and which forms weights take for it."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from freehold.adapt.quantize.forms import Blocks, ByRow, Dynamic, Form, Range, RowSetting, Static
from freehold.adapt.quantize.quality import Metric
from freehold.adapt.quantize.units import FloatGraph, Unit
from freehold.artifact import Manifest
from freehold.config.nearest import nearest
from freehold.errors import FreeholdError

Precision = Literal["int8", "int4", "w8a8"]
Method = Literal["dynamic", "static", "nbits"]

METHODS: dict[Precision, tuple[Method, ...]] = {
    "int8": ("dynamic", "static", "nbits"),
    "int4": ("nbits",),
    "w8a8": ("dynamic",),
}
BLOCK = 32
ROW_OPSET = 18  # from here on ReduceMax takes its axes as an input, as the form by row gives them


class Activations(NamedTuple):
    """What a calibration has seen of the tensors that products read, by name: how to quantize them by row, and their
    ranges. Empty for models that generate."""

    rows: dict[str, RowSetting]
    ranges: dict[str, Range]


@dataclass(frozen=True)
class Quantization:
    """What the user asked for. `path` is an artifact folder or an .onnx file; `name` is the new artifact's. No
    `method`: the kind's usual one; no `metric`: the kind's usual one; `keep` are patterns of weights to leave alone.
    `ref` is how the user named the parent, "" for its path.
    """

    path: Path
    name: str
    to: Precision = "int8"
    method: Method | None = None
    calibration: Path | None = None
    evaluation: Path | None = None
    min_quality: float | None = None
    metric: Metric | None = None
    keep: tuple[str, ...] = ()
    seed: int = 0
    ref: str = ""


def method_of(asked: Quantization, manifest: Manifest) -> Method:
    """The method: the one asked for, else the first that suits.

    Models that generate take no scale that several rows share: an answer must not depend on its neighbours. Raises
    FreeholdError `quantize_method_unsuited`.
    """
    known = METHODS[asked.to]
    if manifest.kind == "generate" and "nbits" in known:
        known = ("nbits",)
    method = asked.method or known[0]
    if method not in known:
        raise FreeholdError(
            "quantize_method_unsuited", method=method, to=asked.to, kind=manifest.kind, known=", ".join(known)
        )
    return method


def form_of(to: Precision, method: Method, seen: Activations) -> Form:
    """The form of weights, with what a calibration has `seen`."""
    if to == "w8a8":
        return ByRow(seen.rows)
    if method == "static":
        return Static(seen.ranges)
    if method == "nbits":
        return Blocks(4 if to == "int4" else 8, BLOCK)
    return Dynamic()


def ladder_of(to: Precision, method: Method, seen: Activations) -> tuple[Form | None, ...]:
    """What the worst weights may be held in instead, the fastest first; None is as they are."""
    if to == "int4":
        return (Blocks(8, BLOCK), None)
    return (ByRow(seen.rows), None) if method != "nbits" and to == "int8" else (None,)


def calibrates(asked: Quantization, method: Method) -> bool:
    """Whether a form that may be taken depends on what activations are like; dynamic ones only in their ladder."""
    return method != "nbits" and (asked.to == "w8a8" or method == "static" or asked.min_quality is not None)


def units_wanted(graph: FloatGraph, asked: Quantization) -> list[Unit]:
    """The units of `graph` without those that the user keeps.

    Raises FreeholdError `quantize_keep_unknown`, `quantize_opset_old`, and `quantize_nothing` where all are kept.
    """
    names = [unit.name for unit in graph.units]
    for pattern in asked.keep:
        if not fnmatch.filter(names, pattern):
            closest = nearest(pattern, names) or names[0]
            raise FreeholdError("quantize_keep_unknown", pattern=pattern, closest=closest, count=len(names))
    convolves = any(use.role == "convolution" for unit in graph.units for use in unit.uses)
    by_row = asked.to == "w8a8" or (convolves and "nbits" in (asked.method, METHODS[asked.to][0]))
    if by_row and graph.opset < ROW_OPSET:
        raise FreeholdError("quantize_opset_old", path=graph.called, opset=graph.opset, least=ROW_OPSET)
    wanted = [unit for unit in graph.units if not _matches(unit.name, asked.keep)]
    if not wanted:
        raise FreeholdError("quantize_nothing", path=graph.called, found=f"{len(names)} weights, all of them kept")
    return wanted


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
