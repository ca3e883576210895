"""Runs of ONNX Runtime whose tensors are partly BF16, which numpy has not: they travel as uint16 bit patterns."""

import ctypes
from collections.abc import Set
from typing import Any

import numpy as np
import onnxruntime

from freehold.engine.providers import Feeds

Array = np.ndarray[Any, Any]

BFLOAT16 = 16
"""`TensorProto.BFLOAT16` of onnx.proto."""


def run_bound(
    session: onnxruntime.InferenceSession, outputs: list[str], feeds: Feeds, brain_floats: Set[str]
) -> list[Array]:
    """What `session` makes of `feeds`; `brain_floats` names those inputs and outputs that are BF16."""
    values = {}
    for name, array in feeds.items():
        whole = np.asarray(array, order="C")
        if name in brain_floats:
            values[name] = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(whole, BFLOAT16)
        else:
            values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(whole)
    results = session.run_with_ort_values(outputs, values)
    return [
        _bits(value) if name in brain_floats else value.numpy() for name, value in zip(outputs, results, strict=True)
    ]


def brain_floats(values: Array) -> Array:
    """The bits of float32 values as BF16, cut and not rounded: uint16 of the same shape."""
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2")


def _bits(value: onnxruntime.OrtValue) -> Array:
    """A copy of what lies in a BF16 tensor, which `OrtValue.numpy` refuses to give."""
    data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(data, "<u2").reshape(value.shape())
