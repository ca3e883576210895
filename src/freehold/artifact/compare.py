"""When are two outputs the same? One tolerance per precision, one function that says where they part."""

import math
from typing import Any

import msgspec
import numpy as np


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may differ. `max_abs` bounds every element, `cosine_min` the angle of a whole output; either may be None."""

    max_abs: float | None = None
    cosine_min: float | None = None


TOLERANCES: dict[str, Tolerance] = {
    "fp32": Tolerance(max_abs=1e-4),
    "fp64": Tolerance(max_abs=1e-4),
    "bf16": Tolerance(cosine_min=0.999),
    "fp16": Tolerance(cosine_min=0.999),
}


def tolerance_for(precision: str) -> Tolerance:
    """The tolerance of `precision`; without a row (int8, int4) it is fp16's, until a quality report says more."""
    return TOLERANCES.get(precision, TOLERANCES["fp16"])


class Difference(msgspec.Struct, frozen=True):
    """Where two outputs part: the first element out of tolerance, or the worst one when only the angle is out."""

    output: str
    index: tuple[int, ...]
    expected: str
    seen: str
    measure: str  # "max_abs 0.01" or "cosine 0.98" or "shape"
    allowed: str


def compare(
    output: str, expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any], tolerance: Tolerance
) -> Difference | None:
    """None when `seen` is `expected` within `tolerance`.

    Integers, booleans and strings must be equal. NaN equals NaN at the same place, infinities of one sign are equal.
    """
    if expected.shape != seen.shape:
        return Difference(output, (), str(list(expected.shape)), str(list(seen.shape)), "shape", "equal shapes")
    if expected.size == 0:
        return None
    if expected.dtype.kind != "f":
        wrong = np.asarray(expected != seen)
        return _first(output, wrong, expected, seen, "unequal", "equal") if wrong.any() else None
    want, have = expected.astype(np.float64), seen.astype(np.float64)
    gap = gaps(want, have)
    if tolerance.max_abs is not None:
        wrong = gap > tolerance.max_abs
        if wrong.any():
            return _first(output, wrong, expected, seen, f"max_abs {gap.max():.3g}", f"{tolerance.max_abs:g}")
    if tolerance.cosine_min is not None:
        angle = cosine(want, have)
        if not angle >= tolerance.cosine_min:
            return _first(
                output, gap == gap.max(), expected, seen, f"cosine {angle:.6f}", f">= {tolerance.cosine_min:g}"
            )
    return None


def gaps(expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """|expected - seen| of two float64 arrays of one shape: 0 where both are NaN or the same infinity, infinity where
    only one of them is a number."""
    same = (expected == seen) | (np.isnan(expected) & np.isnan(seen))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(expected - seen))
    return np.where(np.isnan(gap), np.inf, gap)


def apart(expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Cosine and largest gap of two float arrays of one shape with an element at least, both taken in float64."""
    want, have = expected.astype(np.float64), seen.astype(np.float64)
    return cosine(want, have), float(gaps(want, have).max())


def cosine(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """Cosine of the angle between two tensors taken as vectors; equal zero vectors give 1, one zero vector gives 0.

    Summed in pairs and on this thread: the threads of a matrix library wait for one another where cores are busy.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        norms = math.sqrt(float(np.square(a).sum())) * math.sqrt(float(np.square(b).sum()))
        product = float((a * b).sum())
    if norms == 0.0:
        return 1.0 if np.array_equal(a, b) else 0.0
    return product / norms


def _first(
    output: str,
    wrong: np.ndarray[Any, Any],
    expected: np.ndarray[Any, Any],
    seen: np.ndarray[Any, Any],
    measure: str,
    allowed: str,
) -> Difference:
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Difference(output, index, str(expected[index]), str(seen[index]), measure, allowed)
