"""Small float graphs, and the artifacts that tests quantize."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt import graphs
from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.artifact.artifact import sha256_of

WriteGraph = Callable[..., Path]


def write_mlp(folder: Path, *, opset: int = 20, seed: int = 0, goldens: int = 0, dtype: type = np.float32) -> Path:
    """`x` [n, 64] -> MatMul, Relu, Gemm -> `y` [n, 10]; `goldens` raw cases beside it."""
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((64, 128)), rng.standard_normal((10, 128)) * 0.1
    weights = {"first": first, "added": rng.standard_normal(128), "second": second, "last": rng.standard_normal(10)}
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"]),
        helper.make_node("Add", ["a", "added"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "second", "last"], ["y"], transB=1),
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", kind, ("n", 64))],
        [helper.make_tensor_value_info("y", kind, ("n", 10))],
        [numpy_helper.from_array(values.astype(dtype), name) for name, values in weights.items()],
    )
    path = save(graph, folder / "mlp.onnx", opset)
    cases = []
    for _ in range(goldens):
        x = rng.standard_normal((3, 64)).astype(np.float32)
        hidden = np.maximum(x @ weights["first"].astype(np.float32) + weights["added"].astype(np.float32), 0)
        y = hidden @ weights["second"].T.astype(np.float32) + weights["last"].astype(np.float32)
        cases.append(Case({"x": Tensor.of(x)}, {"y": Tensor.of(y.astype(np.float32))}, "batch 3"))
    if cases:
        golden = Golden(RecordedBy("numpy", np.__version__, "sha256:" + "0" * 64), tuple(cases))
        save_golden(folder / "mlp.goldens" / "numpy.json", golden)
    return path


def write_convolution(folder: Path) -> Path:
    """`x` [n, 3, 8, 8] -> Conv (with a bias), Relu, Conv, mean -> `y` [n, 6]."""
    rng = np.random.default_rng(1)
    weights = {
        "first": rng.standard_normal((16, 3, 3, 3)),
        "added": rng.standard_normal(16),
        "second": rng.standard_normal((6, 16, 3, 3)) * 0.2,
    }
    nodes = [
        helper.make_node("Conv", ["x", "first", "added"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 6))],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    return save(graph, folder / "convolution.onnx", 20)


def save(graph: onnx.GraphProto, path: Path, opset: int) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def write_graph() -> WriteGraph:
    """`write_graph(folder, opset=20, seed=0, goldens=0, dtype=np.float32)`: a multi-layer perceptron."""
    return write_mlp


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    """A multi-layer perceptron with four raw goldens."""
    return write_mlp(tmp_path, goldens=4)


@pytest.fixture
def convolution(tmp_path: Path) -> Path:
    """Two convolutions."""
    return write_convolution(tmp_path)


@pytest.fixture(scope="session")
def embedder(encoder_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a tiny BERT that embeds. Do not write here."""
    folder = encoder_folder(tmp_path_factory.mktemp("models") / "tiny-embedder")
    return graphs.build(folder, tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="session")
def reranker(tiny_reranker_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a tiny cross-encoder. Do not write here."""
    return graphs.build(tiny_reranker_folder, tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="session")
def decoder(tiny_decoder: Callable[..., Path], slot_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a tiny decoder, embedding and head tied, with an answer of its own as a golden. Do not write
    here."""
    folder, work = tiny_decoder("Qwen2ForCausalLM", tie_word_embeddings=True), tmp_path_factory.mktemp("graphs")
    (answer,) = slot_run(graphs.build(folder, work / "bare"), capacity=64).greedy([[1, 2, 3]], 12)
    case = Case({"prompt_ids": Tensor.of(np.array([1, 2, 3]))}, {"token_ids": Tensor.of(np.array(answer))})
    weights = f"sha256:{sha256_of(folder / 'model.safetensors')}"
    save_golden(folder / "goldens" / "raw.json", Golden(RecordedBy("transformers", "5", weights), (case,)))
    return graphs.build(folder, work / "cache")


@pytest.fixture(scope="session")
def padded(raw_folder: Callable[..., Path], exported: Callable[..., Path]) -> Path:
    """The artifact of an encoder that the framework's exporter wrote, which pads. Do not write here."""
    return exported(raw_folder("DistilBertModel", dim=32, n_layers=2, n_heads=4, hidden_dim=64))


@pytest.fixture(scope="session")
def classifier(encoder_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a tiny classifier of three labels. Do not write here."""
    folder = tmp_path_factory.mktemp("models") / "tiny-classifier"
    made = encoder_folder(folder, architecture="BertForSequenceClassification", labels=3)
    return graphs.build(made, tmp_path_factory.mktemp("graphs"))
