"""Two graphs on the same inputs: the first node that differs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

from freehold.adapt.graphs import build
from freehold.adapt.trace_feeds import Sample, samples_of
from freehold.adapt.trace_graphs import trace_graphs
from freehold.artifact import Artifact, Tolerance, load_goldens
from freehold.errors import FreeholdError

CLOSE = Tolerance(max_abs=1e-4)
X = Sample("batch 2", arrays={"x": np.random.default_rng(1).standard_normal((2, 8)).astype(np.float32)})


def stack(path: Path, prefix: str = "t", wrong: int = -1, names: str = "layers") -> Path:
    """Five layers of MatMul, Add and Tanh over x [n, 8]; one weight of layer `wrong` is another."""
    rng, nodes, weights, tensor = np.random.default_rng(7), [], [], "x"
    for layer in range(5):
        matrix = rng.standard_normal((8, 8)).astype(np.float32) / 3
        if layer == wrong:
            matrix[2, 3] += 0.5
        weights.append(numpy_helper.from_array(matrix, f"{names}.{layer}.weight"))
        weights.append(numpy_helper.from_array(rng.standard_normal(8).astype(np.float32), f"{names}.{layer}.bias"))
        made = [f"{prefix}{layer}_{part}" for part in "abc"]
        nodes.append(helper.make_node("MatMul", [tensor, f"{names}.{layer}.weight"], made[:1], name=f"/{made[0]}"))
        nodes.append(helper.make_node("Add", [made[0], f"{names}.{layer}.bias"], made[1:2], name=f"/{made[1]}"))
        tensor = made[2] if layer < 4 else "y"
        nodes.append(helper.make_node("Tanh", [made[1]], [tensor], name=f"/{made[2]}"))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "stack", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize("prefix", ["t", "renamed"])
def test_a_weight_planted_wrong_in_layer_three_is_named(tmp_path: Path, prefix: str) -> None:
    """Whether or not the other graph calls its tensors the same; what came before agrees to the bit."""
    right, wrong = stack(tmp_path / "right.onnx"), stack(tmp_path / "wrong.onnx", prefix, wrong=3)
    trace = trace_graphs(right, wrong, [X], CLOSE)
    assert trace.first is not None
    assert trace.before is not None
    assert (trace.first.name, trace.first.kind, trace.first.output) == (f"/{prefix}3_a", "MatMul", f"{prefix}3_a")
    assert trace.first.about == "layers.3.weight"
    assert (trace.before.name, trace.before.gap.max_abs) == (f"/{prefix}2_c", 0.0)
    assert (len(trace.steps), trace.unmatched, trace.label) == (15, 0, "batch 2")
    assert not trace.steps[-1].within


def test_equal_graphs_agree(tmp_path: Path) -> None:
    """Every node, on the processor and in OpenVINO."""
    path = stack(tmp_path / "right.onnx")
    for device in ("cpu", "openvino"):
        trace = trace_graphs(path, path, [X, X], CLOSE, device)
        assert (trace.first, len(trace.steps)) == (None, 15)


def test_what_was_quantized_is_named_first(tmp_path: Path) -> None:
    """Of a quantized copy the first node whose error is beyond what was allowed; the error grows from there."""
    right = stack(tmp_path / "right.onnx")
    quantize_dynamic(right, tmp_path / "int8.onnx")
    trace = trace_graphs(right, tmp_path / "int8.onnx", [X], Tolerance(max_abs=1e-3))
    assert trace.first is not None
    assert (trace.first.output, trace.first.about) == ("t0_a", "layers.0.weight")
    assert trace_graphs(right, tmp_path / "int8.onnx", [X], Tolerance(cosine_min=0.9)).first is None


def test_a_fault_is_found_in_an_optimised_copy_too(tmp_path: Path) -> None:
    """Product, sum and activation are one node there: that of layer 3 is named, and an unchanged copy agrees."""
    right = stack(tmp_path / "right.onnx")
    copies = {}
    for wrong in (-1, 3):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"optimised{wrong}.onnx")
        options.log_severity_level = 3
        source = stack(tmp_path / f"source{wrong}.onnx", wrong=wrong)
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        copies[wrong] = tmp_path / f"optimised{wrong}.onnx"
    assert {node.op_type for node in onnx.load(copies[3]).graph.node} == {"FusedGemm"}
    assert trace_graphs(right, copies[-1], [X], CLOSE).first is None
    trace = trace_graphs(right, copies[3], [X], CLOSE)
    assert trace.first is not None
    assert (trace.first.kind, trace.first.output) == ("FusedGemm", "t3_c")
    assert "layers.3.weight" in trace.first.about
    assert (len(trace.steps), trace.unmatched) == (5, 10)


def test_nothing_to_feed_is_an_error(tmp_path: Path) -> None:
    """Without a case there is nothing to compare."""
    path = stack(tmp_path / "right.onnx")
    with pytest.raises(FreeholdError) as caught:
        trace_graphs(path, path, [], CLOSE)
    assert caught.value.code == "trace_no_cases"


def test_dialects_of_one_encoder_agree_wherever_they_meet(minilm_folder: Path, tmp_path: Path) -> None:
    """Attention is computed otherwise, and names are counted otherwise: no false alarm, and MiniLM's layers are met."""
    artifact = Artifact.open(build(minilm_folder, tmp_path))
    cases = [case for golden in load_goldens(artifact.goldens) for case in golden.cases]
    samples = samples_of(artifact, cases)
    trace = trace_graphs(artifact.graph, artifact.path / "model.portable.onnx", samples[:2], CLOSE)
    assert trace.first is None
    assert len(trace.steps) > 80


def test_a_weight_of_minilm_planted_wrong_in_layer_three_is_named(
    minilm_folder: Path, tmp_path: Path, planted: Callable[[Path, str], None]
) -> None:
    """One element of one matrix among 22 million: the product that reads it, after everything before it agreed."""
    right = build(minilm_folder, tmp_path / "cache")
    wrong = tmp_path / "wrong"
    shutil.copytree(right, wrong)
    planted(wrong, "encoder.layer.3.output.dense.weight")
    artifact = Artifact.open(right)
    cases = [case for golden in load_goldens(artifact.goldens) for case in golden.cases]
    trace = trace_graphs(right / "model.onnx", wrong / "model.onnx", samples_of(artifact, cases, 1), CLOSE)
    assert trace.first is not None
    assert trace.first.kind == "Gemm"
    assert trace.first.about == "encoder.layer.3.output.dense.weight, encoder.layer.3.output.dense.bias"
    assert trace.before is not None
    assert trace.before.gap.max_abs == 0.0
