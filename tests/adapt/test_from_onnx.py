"""An .onnx file through its door: checked, kept as it is, proven by the user's answers or watched by our own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import Converted, convert
from freehold.artifact.golden import load_golden
from freehold.errors import FreeholdError

W = np.random.default_rng(3).standard_normal((4, 2), dtype=np.float32)


@pytest.fixture
def asked(tmp_path: Path) -> Conversion:
    """The conversion of [batch, seq, 4] -> [batch, seq, 2], weights beside the graph."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "seq", 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "seq", 2])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(W, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="test")
    source = tmp_path / "raw.onnx"
    onnx.save(model, source, save_as_external_data=True, location="raw.data", size_threshold=0)
    (tmp_path / "work").mkdir()
    return Conversion(source, "line", tmp_path / "work")


def converted(asked: Conversion, **changes: object) -> Converted:
    return convert(replace(asked, **changes), print)


def test_a_graph_keeps_its_bytes_names_and_dimensions(asked: Conversion) -> None:
    """Its data file comes along; our own answers are its golden, and prove nothing but later changes."""
    made = converted(asked)
    assert made.artifact.graph.read_bytes() == asked.source.read_bytes()
    assert {"model.onnx", "raw.data", "goldens/self.json"} == made.artifact.manifest.files.keys()
    assert made.dimensions == {"x": ("batch", "seq", 4), "y": ("batch", "seq", 2)}
    assert made.proof.status == "self"
    assert {row.label for row in made.parity} == {"batch 1", "batch 3"}
    assert made.artifact.manifest.made_with["opset"] == "17"


def test_the_length_of_free_dimensions_can_be_given(asked: Conversion) -> None:
    """By place or by name."""
    for names in ((), ("x",)):
        (asked.work / "-".join(names or ("none",))).mkdir()
        wanted = replace(asked, work=asked.work / "-".join(names or ("none",)))
        made = converted(wanted, input_shapes=((1, 9, 4),), input_names=names)
        inputs = load_golden(made.artifact.goldens / "self.json").cases[1].inputs
        assert inputs["x"].array().shape == (3, 9, 4)


def test_answers_of_another_framework_prove_it(asked: Conversion, tmp_path: Path) -> None:
    """They are replayed before anything is kept."""
    x = np.ones((2, 3, 4), np.float32)
    np.savez(tmp_path / "good.npz", **{"in.x": x, "out.y": x @ W})
    made = converted(asked, recorded=tmp_path / "good.npz")
    assert made.proof.status == "raw"
    assert made.proof.failure is None


def test_wrong_answers_fail_the_proof(asked: Conversion, tmp_path: Path) -> None:
    """With the place where they part."""
    x = np.ones((2, 3, 4), np.float32)
    np.savez(tmp_path / "bad.npz", **{"in.x": x, "out.y": x @ W + 1})
    made = converted(asked, recorded=tmp_path / "bad.npz")
    assert made.proof.status == "failed"
    assert made.proof.failure is not None
    assert made.proof.failure.details["output"] == "y"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "embed"}, "convert_kind_unsuitable"),
        ({"opset": 20}, "convert_opset_kept"),
        ({"input_shapes": ((1, 5, 5, 5),)}, "input_shape_misfit"),
        ({"input_shapes": ((1, 5, 5),)}, "input_shape_misfit"),
        ({"input_shapes": ((1, 5, 4),), "input_types": ("int64",)}, "input_shape_misfit"),
        ({"input_shapes": ((1, 5, 4),), "input_names": ("z",)}, "input_name_unknown"),
        ({"input_shapes": ((1, 5, 4), (1, 5, 4))}, "input_shapes_count"),
        ({"code": "model.py:Net"}, "convert_option_unused"),
        ({"signature": "serve"}, "convert_option_unused"),
    ],
)
def test_what_cannot_be_done_with_a_graph_is_told(asked: Conversion, changes: dict[str, object], code: str) -> None:
    """Another kind or opset; shapes that are not its inputs'; what is about other formats."""
    with pytest.raises(FreeholdError) as raised:
        converted(asked, **changes)
    assert raised.value.code == code


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "goldens/w", "./signatures/w"])
def test_weights_under_a_name_that_has_another_use_are_refused(asked: Conversion, name: str) -> None:
    """They would be written over the graph, taken for a golden, or left out of what is pinned."""
    folder = asked.source.parent
    model = onnx.load(asked.source, load_external_data=False)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "raw.data").rename(folder / name)
    next(one for one in model.graph.initializer[0].external_data if one.key == "location").value = name
    asked.source.write_bytes(model.SerializeToString())
    with pytest.raises(FreeholdError, match="another use"):
        converted(asked)


def test_a_damaged_graph_is_told(asked: Conversion) -> None:
    """Before anything of it is opened."""
    asked.source.write_bytes(asked.source.read_bytes()[:40])
    with pytest.raises(FreeholdError, match="onnx_invalid"):
        converted(asked)
