"""Whether driver, CUDA, ONNX Runtime and TensorRT go together: FIT's table and its checks."""

from __future__ import annotations

from freehold.deploy.doctor.profile import Checking

CHECKS: tuple[Checking, ...] = ()
