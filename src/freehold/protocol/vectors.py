"""Arithmetic on answers that the text protocols share: vectors to short decimals, cut vectors, logits to scores."""

import math
from typing import Any

import numpy as np

from freehold.errors import FreeholdError

Array = np.ndarray[Any, Any]

_BIAS = 127


def _power_of_ten(field: int) -> float:
    exponent = max(field, 1) - _BIAS
    return 10.0 ** math.ceil((24 - exponent) * math.log10(2))


_SCALES = np.array([_power_of_ten(field) for field in range(256)])
"""By a float32's exponent field: the power of ten whose steps lie closer than half the gap between its neighbours."""


def short_decimals(values: Array) -> Array:
    """float32 values as the float64 values of decimals with few digits, each of which reads back as the same float32.

    A float32 printed as the float64 that it equals takes 17 digits (0.10000000149011612); rounded to the decimal step
    that still tells it from its neighbours it takes 8 to 10 (0.100000001), and the body shrinks by 40 %.
    """
    single = np.ascontiguousarray(values, np.float32)
    scales = _SCALES.take((single.view(np.int32) >> 23) & 0xFF)
    decimals: Array = single * scales
    np.rint(decimals, decimals)
    decimals /= scales
    return decimals


def check_rows(values: Array) -> None:
    """Raises `answer_not_finite` with the first row that holds NaN or infinity: Dify drops such vectors silently."""
    finite = np.isfinite(values)
    if not finite.all():
        raise FreeholdError("answer_not_finite", index=int(np.argwhere(~finite)[0][0]))


def normalized(vectors: Array) -> Array:
    """Every row of [n, dim] at Euclidean length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Array = vectors / np.where(lengths == 0, 1, lengths)
    return result


def shortened(vectors: Array, dimensions: int) -> Array:
    """The first `dimensions` of every row, at length 1 again (Matryoshka embeddings, arXiv 2205.13147).

    Raises `dimensions_invalid` when the rows are shorter than that.
    """
    limit = vectors.shape[1]
    if dimensions > limit:
        raise FreeholdError("dimensions_invalid", seen=dimensions, limit=limit)
    return normalized(vectors[:, :dimensions])


def logits(output: Array) -> Array:
    """The single logit of every text, float64 [n], from a graph's [n, 1] or [n]."""
    return output.reshape(output.shape[0], -1)[:, 0].astype(np.float64)


def sigmoid(values: Array) -> Array:
    """Logits to scores in 0..1, without overflow at either end."""
    small = np.exp(-np.abs(values))
    result: Array = np.where(values >= 0, 1 / (1 + small), small / (1 + small))
    return result


def ranked(scores: Array) -> list[int]:
    """Indices by falling score; equal scores keep their order. Raises `answer_not_finite`."""
    check_rows(scores)
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order
