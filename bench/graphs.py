"""The ONNX files of the benchmark: the conventional padded encoders that peers serve, and the tensor models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.folders import TextModel
from bench.places import WORK

OPSET = 17


@dataclass(frozen=True)
class TensorModel:
    """One float32 input `input`, one float32 output `output`; `shape` is the shape of a request."""

    name: str
    graph: Path
    shape: tuple[int, ...]


def export_padded(model: TextModel) -> Path:
    """Export `model` as torch does for everyone: input_ids, attention_mask [batch, length] int64 -> embedding
    [batch, width] float32 of length 1. Opset 17, dynamic batch and length."""
    path = model.padded_graph
    if path.is_file():
        return path
    import torch
    from transformers import AutoModel

    class Embedder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(model.folder, attn_implementation="eager", dtype=torch.float32)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if model.pooling == "cls":
                pooled = states[:, 0]
            else:
                mask = attention_mask.unsqueeze(-1).to(states.dtype)
                pooled = (states * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(pooled, dim=-1)

    aside = path.with_suffix(".part")
    aside.parent.mkdir(parents=True, exist_ok=True)
    sample = torch.ones(2, 7, dtype=torch.int64) * 5
    names = ["input_ids", "attention_mask"]
    axes = {name: {0: "batch", 1: "length"} for name in names} | {"embedding": {0: "batch"}}
    with torch.inference_mode():
        torch.onnx.export(
            Embedder().eval(),
            (sample, torch.ones_like(sample)),
            str(aside),
            input_names=names,
            output_names=["embedding"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    aside.rename(path)
    return path


def mlp16() -> TensorModel:
    """16 floats in, 64 hidden, 16 out: the model costs nothing, the server is what is measured."""
    draw = np.random.default_rng(0).standard_normal
    weights = {"w1": draw((16, 64)), "b1": draw(64), "w2": draw((64, 16)), "b2": draw(16)}
    nodes = [
        helper.make_node("Gemm", ["input", "w1", "b1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["output"]),
    ]
    return _save("mlp16", nodes, weights, ["batch", 16], ["batch", 16], (1, 16))


def scale32k() -> TensorModel:
    """One multiplication over [1, 32, 1024]: 131 KB in, 131 KB out."""
    nodes = [helper.make_node("Mul", ["input", "scale"], ["output"])]
    scale = {"scale": np.random.default_rng(1).standard_normal(1024)}
    return _save("scale32k", nodes, scale, [1, 32, 1024], [1, 32, 1024], (1, 32, 1024))


def wide256mb() -> TensorModel:
    """Sixteen layers of 2048 x 2048: 256 MiB of weights, for the memory of many workers."""
    draw = np.random.default_rng(2).standard_normal
    weights = {f"w{n}": draw((2048, 2048)) / 45 for n in range(16)}
    nodes = []
    for n in range(16):
        source, target = ("input" if n == 0 else f"h{n}"), ("output" if n == 15 else f"h{n + 1}")
        nodes += [helper.make_node("MatMul", [source, f"w{n}"], [f"m{n}"])]
        nodes += [helper.make_node("Tanh", [f"m{n}"], [target])]
    return _save("wide256mb", nodes, weights, ["batch", 2048], ["batch", 2048], (32, 2048))


def _save(
    name: str,
    nodes: list[onnx.NodeProto],
    weights: dict[str, Any],
    inputs: list[int | str],
    outputs: list[int | str],
    shape: tuple[int, ...],
) -> TensorModel:
    path = WORK / "graphs" / f"{name}.onnx"
    if not path.is_file():
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, inputs)],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, outputs)],
            [numpy_helper.from_array(value.astype(np.float32), key) for key, value in weights.items()],
        )
        document = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(document)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        onnx.save(document, aside)
        aside.rename(path)
    return TensorModel(name, path, shape)
