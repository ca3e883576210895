"""Graphs over BF16, whose bits travel as uint16."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from freehold.engine.base import TensorRequest
from freehold.engine.brain_float import brain_floats
from freehold.engine.opening import open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

SETTINGS = EngineSettings(tune=False, threads=1)


def write_doubling(path: Path) -> Path:
    """x BF16 [n, 2], scale FP32 [] -> half BF16 [n, 2], whole FP32 [n, 2]: both x * scale."""
    x = helper.make_tensor_value_info("x", TensorProto.BFLOAT16, ["n", 2])
    scale = helper.make_tensor_value_info("scale", TensorProto.FLOAT, [])
    half = helper.make_tensor_value_info("half", TensorProto.BFLOAT16, ["n", 2])
    whole = helper.make_tensor_value_info("whole", TensorProto.FLOAT, ["n", 2])
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide", "scale"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["half"], to=TensorProto.BFLOAT16),
    ]
    graph = helper.make_graph(nodes, "doubling", [x, scale], [half, whole])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.anyio
async def test_a_graph_with_some_brain_floats_runs(tmp_path: Path) -> None:
    """Bits in and out, beside tensors of other types, none of the memory shared with the runtime's."""
    engine = open_graph_file(write_doubling(tmp_path / "doubling.onnx"), "doubling", SETTINGS)
    await engine.load()
    assert [spec.datatype for spec in (*engine.manifest.inputs, *engine.manifest.outputs)] == [
        *("BF16", "FP32"),
        *("BF16", "FP32"),
    ]
    x = brain_floats(np.array([[1.5, -2], [0, 3]], np.float32))
    outputs = engine.answer(TensorRequest({"x": x, "scale": np.array(2, np.float32)})).outputs
    assert outputs["half"].tolist() == brain_floats(np.array([[3.0, -4], [0, 6]])).tolist()
    assert outputs["whole"].tolist() == [[3, -4], [0, 6]]
    transposed = engine.answer(TensorRequest({"x": x.T, "scale": np.array(1, np.float32)})).outputs
    assert transposed["half"].tolist() == x.T.tolist()
    await engine.close(0)


@pytest.mark.anyio
async def test_rows_of_none_run(tmp_path: Path) -> None:
    """There is nothing to copy then."""
    engine = open_graph_file(write_doubling(tmp_path / "doubling.onnx"), "doubling", SETTINGS)
    await engine.load()
    request = TensorRequest({"x": np.empty((0, 2), np.uint16), "scale": np.array(2, np.float32)}, ("half",))
    assert engine.answer(request).outputs["half"].shape == (0, 2)
    with pytest.raises(FreeholdError, match="inference_failed"):
        engine.answer(TensorRequest({"x": np.empty((1, 3), np.uint16), "scale": np.array(2, np.float32)}))
    await engine.close(0)


def test_brain_floats_are_the_upper_halves_of_floats() -> None:
    """Of any shape, none included; what has no short form is cut."""
    assert brain_floats(np.array([1.0, -2.0, np.inf])).tolist() == [0x3F80, 0xC000, 0x7F80]
    assert brain_floats(np.array(1 + 2**-10)).tolist() == 0x3F80
