"""How near replayed outputs come to recorded ones, in numbers: case by case, and by output and shape class."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from freehold.artifact import Case, Manifest, Tensor, Tolerance, compare
from freehold.artifact.compare import cosine, gaps
from freehold.engine.agreement import agreement_with
from freehold.engine.base import Answer, Array
from freehold.engine.forced import unlikely

EDGES = tuple(10.0 ** (place / 2) for place in range(-20, 3))
"""Where one bin of absolute differences ends and the next begins: half decades from 1e-10 to 10."""

SMALL = 1e-3
"""A relative difference is to the recorded element, or to this part of the largest one where that is more: the ratio of
two numbers that are nearly zero says nothing."""

LONG_TEXT = 200
"""Characters from which on a text without a label counts as long."""

_CHINESE = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True)
class Measured:
    """One output of one case. What has no meaning for it is None: the cosine of integers, the top-1 of an embedding.

    `top1` is at how many of `rows` the largest element of the last axis is the recorded one, in a decoder's token_ids
    at how many tokens. `histogram` counts absolute differences by `EDGES`, with what is below and above them at its
    ends.
    """

    case: int
    label: str
    output: str
    within: bool
    elements: int
    max_abs: float
    max_rel: float
    histogram: tuple[int, ...]
    cosine: float | None = None
    top1: int | None = None
    rows: int = 0


@dataclass(frozen=True)
class Parity:
    """One output over the cases of one shape class. `top1` is a share, 0 to 1; `differ` counts cases out of
    tolerance."""

    output: str
    label: str
    cases: int
    differ: int
    elements: int
    max_abs: float
    max_rel: float
    cosine_min: float | None
    cosine_mean: float | None
    top1: float | None


def label_of(case: Case) -> str:
    """The shape class of a case: its label; of one without, "zh", "long" or "short" for texts, "batch N" for tensors,
    and "" where its inputs say nothing."""
    if case.label:
        return case.label
    texts = [value for value in case.inputs.values() if isinstance(value, str)]
    if texts:
        whole = " ".join(texts)
        return "zh" if _CHINESE.search(whole) else "long" if len(whole) >= LONG_TEXT else "short"
    first = next((value for value in case.inputs.values() if isinstance(value, Tensor) and len(value.shape) > 1), None)
    return f"batch {first.shape[0]}" if first is not None else ""


def measure(
    place: int, case: Case, answer: Answer, manifest: Manifest, tolerance: Tolerance, precision: str
) -> tuple[Measured, ...]:
    """Every recorded output of `case` (the one at `place`) beside the answer's.

    An output that is missing or of another shape has no numbers and is left out: the proof says so in words.
    """
    label = label_of(case)
    if manifest.kind == "generate":
        return _of_tokens(place, label, case, answer, precision)
    measured = []
    for name, tensor in case.outputs.items():
        if name not in answer.outputs:
            continue
        expected, seen = tensor.array(), answer.outputs[name]
        seen = seen if manifest.kind == "tensor" else seen[0]
        if expected.shape != seen.shape:
            continue
        within = compare(name, expected, seen, tolerance) is None
        # An embedding has no classes of which one could be the first.
        ranks = manifest.kind != "embed" and expected.dtype.kind == "f" and expected.ndim and expected.shape[-1] > 1
        measured.append(_measured(place, label, name, expected, seen, within=within, ranks=bool(ranks)))
    return tuple(measured)


def together(measured: Iterable[Measured]) -> tuple[Parity, ...]:
    """By output and shape class, in the order in which they were first met."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.output, one.label), []).append(one)
    return tuple(_together(output, label, group) for (output, label), group in groups.items())


def total(measured: Iterable[Measured]) -> tuple[int, ...]:
    """The histograms of all, added."""
    columns = zip(*(one.histogram for one in measured), strict=True)
    return tuple(sum(column) for column in columns) or (0,) * (len(EDGES) + 1)


def _together(output: str, label: str, group: Sequence[Measured]) -> Parity:
    cosines = [one.cosine for one in group if one.cosine is not None]
    rows = sum(one.rows for one in group)
    return Parity(
        output,
        label,
        cases=len(group),
        differ=sum(not one.within for one in group),
        elements=sum(one.elements for one in group),
        max_abs=max(one.max_abs for one in group),
        max_rel=max(one.max_rel for one in group),
        cosine_min=min(cosines, default=None),
        cosine_mean=sum(cosines) / len(cosines) if cosines else None,
        top1=sum(one.top1 or 0 for one in group) / rows if rows else None,
    )


def _measured(
    place: int, label: str, name: str, expected: Array, seen: Array, *, within: bool, ranks: bool = False
) -> Measured:
    floats = expected.dtype.kind == "f"
    want, have = expected.astype(np.float64), seen.astype(np.float64)
    gap = gaps(want, have)
    finite = np.isfinite(want) & np.isfinite(have)
    size = np.abs(want[finite])
    floor = SMALL * float(size.max(initial=0.0))
    relative = gap[finite] / np.maximum(size, floor) if floor else gap[finite]
    rows = math.prod(expected.shape[:-1]) if ranks else 0
    same = int((want.argmax(axis=-1) == have.argmax(axis=-1)).sum()) if ranks else None
    return Measured(
        place,
        label,
        name,
        within,
        elements=expected.size,
        max_abs=float(gap.max(initial=0.0)),
        max_rel=float(relative.max(initial=0.0)),
        histogram=tuple(np.bincount(np.searchsorted(EDGES, gap.ravel()), minlength=len(EDGES) + 1).tolist()),
        cosine=cosine(np.where(finite, want, 0.0), np.where(finite, have, 0.0)) if floats else None,
        top1=same,
        rows=rows,
    )


def _of_tokens(place: int, label: str, case: Case, answer: Answer, precision: str) -> tuple[Measured, ...]:
    """A recorded answer, fed token by token: how many tokens would be chosen again, and how their log-probabilities
    differ where the recorder noted them."""
    within = unlikely(case, answer, precision) is None
    near = agreement_with(case, answer)
    nothing = (0,) * (len(EDGES) + 1)
    chosen = round(near.share * near.tokens)
    tokens = Measured(place, label, "token_ids", within, near.tokens, 0.0, 0.0, nothing, top1=chosen, rows=near.tokens)
    recorded = case.outputs.get("logprobs")
    if recorded is None:
        return (tokens,)
    return (tokens, _measured(place, label, "logprobs", recorded.array(), answer.outputs["logprobs"], within=True))
