"""One array of each datatype with the values that are hard: limits, signs, empty and other people's texts."""

from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]


def _limits(kind: str) -> Array:
    limits = np.iinfo(kind)
    return np.array([[limits.min, 0, limits.max]], kind)


SAMPLES: dict[str, Array] = {
    "BOOL": np.array([[True, False, True]]),
    **{f"{sign.upper()}{bits}": _limits(f"{sign}{bits}") for sign in ("uint", "int") for bits in (8, 16, 32, 64)},
    "FP16": np.array([[1.5, -0.0, 65504]], np.float16),
    "BF16": np.array([[1.5, -0.0, 3e38]], ml_dtypes.bfloat16),
    "FP32": np.array([[1.5, -2, 3e38]], np.float32),
    "FP64": np.array([[1.5, 5e-324, 1e300]]),
    "BYTES": np.array([["a", "", "你好 \x00\n"]], object),
}

FIELDS: dict[str, str] = {
    "BOOL": "bool_contents",
    **{f"INT{bits}": "int_contents" for bits in (8, 16, 32)},
    **{f"UINT{bits}": "uint_contents" for bits in (8, 16, 32)},
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where gRPC's typed contents of each datatype stand; the others travel raw."""


def same(seen: Array, sent: Array) -> bool:
    """Equal in shape and value; texts come back as bytes or as texts, by the encoding."""
    if sent.dtype == object:
        seen = np.array([item.decode() if isinstance(item, bytes) else item for item in seen.ravel()], object)
        return seen.tolist() == sent.ravel().tolist()
    return seen.shape == sent.shape and bool((seen == sent).all())
