"""Artifacts to compile, a GPU to compile for, and a program that stands for trtexec where there is none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt import from_onnx
from freehold.adapt.conversion import Conversion
from freehold.artifact import Artifact, write_manifest
from freehold.machine import Gpu
from tests.trtexec_stand_in import write_stand_in

GPU = Gpu(0, "NVIDIA H100 80GB HBM3", "GPU-1", "550.54.15", 80 << 30, 0, "9.0")


@pytest.fixture
def gpu() -> Gpu:
    """An H100, as NVML describes it."""
    return GPU


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Path]:
    """Writes a program with trtexec's flags; `factor` other than 1 makes its engines answer wrongly."""

    def write(digits: str = "101303", factor: float = 1.0) -> Path:
        return write_stand_in(tmp_path / f"bin-{digits}-{factor}", digits, factor)

    return write


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a shell script with the given lines."""

    def write(lines: str) -> Path:
        path = tmp_path / "trtexec"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        return path

    return write


def write_dense(path: Path, *, operator: str = "MatMul", domain: str = "", dtype: int = TensorProto.FLOAT) -> Path:
    """x [batch, 8] -> y [batch, 4]; `operator` makes another graph of it, which need not run."""
    weight = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    node = helper.make_node(operator, ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph(
        [node],
        "dense",
        [helper.make_tensor_value_info("x", dtype, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(weight, "w")],
    )
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


@pytest.fixture
def dense(tmp_path: Path) -> Artifact:
    """The graph of `write_dense` as an artifact with ONNX Runtime's own answers to one row and to three."""
    folder = tmp_path / "dense"
    folder.mkdir()
    source = write_dense(tmp_path / "dense.onnx")
    return write_manifest(folder, from_onnx.write(Conversion(source, "dense", tmp_path), folder, lambda _: None))
