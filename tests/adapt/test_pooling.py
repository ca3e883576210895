"""Modules after the transformer, in the order of the folder, against their formulas."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto
from safetensors.numpy import save_file

from freehold.adapt.folder import Dense, Normalize
from freehold.adapt.onnx_graph import GraphWriter
from freehold.adapt.pooling import finish, mean

RNG = np.random.default_rng(0)


def run(graph: GraphWriter, folder: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    graph.save_weights(folder)
    graph.save_model(folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    answer: np.ndarray = session.run(None, feeds)[0]
    return answer


def test_a_mean_is_of_a_texts_own_tokens(tmp_path: Path) -> None:
    """By which tokens are members of it."""
    graph = GraphWriter()
    for name, kind, shape in (("states", TensorProto.FLOAT, ("n", 4)), ("member", TensorProto.BOOL, ("texts", "n"))):
        graph.inputs.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    graph.output("mean", mean(graph, "states", "member"), ("texts", 4))
    states = RNG.standard_normal((5, 4), np.float32)
    member = np.array([[True, True, False, False, False], [False, False, True, True, True]])
    expected = np.stack([states[:2].mean(axis=0), states[2:].mean(axis=0)])
    np.testing.assert_allclose(run(graph, tmp_path, {"states": states, "member": member}), expected, atol=1e-6)


def test_modules_follow_one_another(tmp_path: Path) -> None:
    """A dense layer with tanh, then length 1; a state of zeros stays what it is."""
    folder = tmp_path / "2_Dense"
    folder.mkdir()
    weight = RNG.standard_normal((3, 4), np.float32)
    save_file({"linear.weight": weight}, folder / "model.safetensors")
    dense = Dense(folder / "model.safetensors", 4, 3, bias=False, activation="tanh")
    graph = GraphWriter()
    graph.inputs.append(onnx.helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ("texts", 4)))
    graph.output("embeddings", finish(graph, "pooled", (dense, Normalize())), ("texts", 3))
    pooled = np.concatenate([RNG.standard_normal((2, 4), np.float32), np.zeros((1, 4), np.float32)])
    expected = np.tanh(pooled @ weight.T)
    expected[:2] /= np.linalg.norm(expected[:2], axis=1, keepdims=True)
    np.testing.assert_allclose(run(graph, tmp_path, {"pooled": pooled}), expected, atol=1e-6)
