"""What TensorRT is given, and what is refused before anything is built."""

from pathlib import Path

import msgspec
import onnx
import pytest
from onnx import TensorProto, helper

from freehold.adapt import graphs
from freehold.adapt.tensorrt.subject import Port, open_subject
from freehold.artifact import Artifact, write_manifest
from freehold.errors import FreeholdError

from .conftest import write_dense


def refusal(path: Path, work: Path) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        open_subject(path, "m", work, lambda _: None)
    return caught.value


def swapped(artifact: Artifact, graph: Path) -> Path:
    """The artifact with another graph in it."""
    (artifact.path / "model.onnx").write_bytes(graph.read_bytes())
    return write_manifest(artifact.path, artifact.manifest).path


def test_an_artifact_gives_its_graph_and_its_record(dense: Artifact, tmp_path: Path) -> None:
    """Inputs with their symbols; the artifact's digest is the parent's."""
    subject = open_subject(dense.path, "dense", tmp_path, lambda _: None)
    assert subject.inputs == (Port("x", "FP32", ("batch", 8)),)
    assert subject.inputs[0].free
    assert (subject.parent, subject.explicit, subject.halves) == (dense.digest, False, False)
    assert sum(len(golden.cases) for golden in subject.goldens) == 2


def test_a_packed_encoder_gives_its_standard_dialect(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """The graph for processors has operators that only ONNX Runtime knows; the portable one has none."""
    path = graphs.build(tiny_bert_folder, tmp_path / "graphs")
    subject = open_subject(path, "m", tmp_path, lambda _: None)
    assert subject.graph.name == "model.portable.onnx"
    assert {port.name: port.dims for port in subject.inputs}["sequence_starts"] == ("sequences",)


def test_a_bare_graph_is_made_an_artifact_first(tmp_path: Path) -> None:
    """It has no parent, and ONNX Runtime's answers as its record."""
    work = tmp_path / "work"
    work.mkdir()
    subject = open_subject(write_dense(tmp_path / "m.onnx"), "m", work, lambda _: None)
    assert subject.parent == ""
    assert subject.artifact.path.is_relative_to(work)
    assert [golden.raw for golden in subject.goldens] == [False]


def test_models_that_generate_are_sent_to_vllm(dense: Artifact, tmp_path: Path) -> None:
    """Their memory of keys and values is not what trtexec builds."""
    write_manifest(dense.path, msgspec.structs.replace(dense.manifest, kind="generate"))
    error = refusal(dense.path, tmp_path)
    assert error.code == "tensorrt_kind"
    assert "engine: vllm" in error.fix


@pytest.mark.parametrize(
    ("operator", "domain", "code"),
    [("MatMulNBits", "com.microsoft", "tensorrt_operators"), ("MatMulInteger", "", "tensorrt_quantized")],
)
def test_operators_that_tensorrt_lacks_are_named(
    dense: Artifact, tmp_path: Path, operator: str, domain: str, code: str
) -> None:
    """Those of ONNX Runtime alone, and those that quantize as they run."""
    path = swapped(dense, write_dense(tmp_path / "other.onnx", operator=operator, domain=domain))
    error = refusal(path, tmp_path)
    assert error.code == code
    assert operator in error.cause


def test_types_that_tensorrt_does_not_take_are_named(dense: Artifact, tmp_path: Path) -> None:
    """Doubles and texts among them."""
    path = swapped(dense, write_dense(tmp_path / "other.onnx", dtype=TensorProto.DOUBLE))
    error = refusal(path, tmp_path)
    assert (error.code, error.details["datatype"]) == ("tensorrt_input_type", "DOUBLE")


def test_a_file_that_is_no_graph_is_refused(dense: Artifact, tmp_path: Path) -> None:
    """By the error that every engine has for it."""
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\xff" * 64)
    assert refusal(swapped(dense, garbage), tmp_path).code == "graph_invalid"


@pytest.mark.parametrize(("zero", "refused"), [(TensorProto.UINT8, True), (None, True), (TensorProto.INT8, False)])
def test_only_what_is_quantized_around_zero_is_taken(
    dense: Artifact, tmp_path: Path, zero: int | None, refused: bool
) -> None:
    """uint8 has another middle, and is what ONNX takes where nothing is said."""
    points = ["zero"] if zero is not None else []
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", *points], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", *points], ["y"]),
    ]
    constants = [helper.make_tensor("scale", TensorProto.FLOAT, [], [0.1])]
    constants += [helper.make_tensor("zero", zero, [], [0])] if zero is not None else []
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 8]) for name in "xy"]
    graph = helper.make_graph(nodes, "rounded", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "q.onnx")
    path = swapped(dense, tmp_path / "q.onnx")
    if refused:
        assert refusal(path, tmp_path).code == "tensorrt_asymmetric"
    else:
        assert open_subject(path, "m", tmp_path, lambda _: None).explicit
