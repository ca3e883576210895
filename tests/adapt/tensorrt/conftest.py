"""Artifacts to compile, a GPU to compile for, and a program that stands for trtexec where there is none."""

import sys
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

GPU = Gpu(0, "NVIDIA H100 80GB HBM3", "GPU-1", "550.54.15", 80 << 30, 0, "9.0")

STAND_IN = '''#!{python}
"""Takes trtexec's flags: its "engine" names the graph, and ONNX Runtime on the processor answers for it."""
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
onnxruntime.set_default_logger_severity(3)
flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
print("&&&& RUNNING TensorRT.trtexec [TensorRT v{digits}] # trtexec")
Path(__file__).with_name("calls").open("a").write(json.dumps(sys.argv[1:]) + "\\n")
if "saveEngine" in flags:
    Path(flags["saveEngine"]).write_text(flags["onnx"])
    print("[11/23/2026-04:00:00] [I] Engine built in 4.25 sec.")
    print("[11/23/2026-04:00:03] [I] Throughput: 1200.5 qps")
if "loadEngine" in flags:
    session = onnxruntime.InferenceSession(Path(flags["loadEngine"]).read_text())
    shapes = dict(one.rsplit(":", 1) for one in flags.get("shapes", "").split(",") if one)
    files = dict(one.rsplit(":", 1) for one in flags["loadInputs"].split(","))
    types = {{"tensor(float)": "<f4", "tensor(int64)": "<i8"}}
    feeds = {{}}
    for value in session.get_inputs():
        shape = [int(size) for size in shapes[value.name].split("x")] if value.name in shapes else value.shape
        feeds[value.name] = np.fromfile(files[value.name], types[value.type]).reshape(shape)
    entries = []
    for value, array in zip(session.get_outputs(), session.run(None, feeds)):
        array = array * {factor}
        entries.append({{"name": value.name, "dimensions": "x".join(map(str, array.shape)),
                        "values": [float(f"{{number:.6g}}") for number in array.ravel()]}})
    Path(flags["exportOutput"]).write_text(json.dumps(entries))
if "help" not in flags:
    print("&&&& PASSED TensorRT.trtexec [TensorRT v{digits}] # trtexec")
'''


@pytest.fixture
def gpu() -> Gpu:
    """An H100, as NVML describes it."""
    return GPU


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Path]:
    """Writes a program with trtexec's flags; `factor` other than 1 makes its engines answer wrongly."""

    def write(digits: str = "101303", factor: float = 1.0) -> Path:
        path = tmp_path / f"bin-{digits}-{factor}" / "trtexec"
        path.parent.mkdir()
        path.write_text(STAND_IN.format(python=sys.executable, digits=digits, factor=factor))
        path.chmod(0o755)
        return path

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
