"""Writing an ONNX graph by hand: nodes by name, weights in a file beside it, page-aligned so that mmap shares them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.checkpoint import Checkpoint

DATA_FILE = "model.onnx.data"
PAGE = 4096
OPSET = 20
IR_VERSION = 10
MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Weight:
    """One external tensor, float32: the named tensors of `checkpoint`, one after the other along dimension 0."""

    checkpoint: Checkpoint
    parts: tuple[str, ...]
    shape: tuple[int, ...]
    offset: int  # bytes into the data file, a multiple of PAGE

    @property
    def size(self) -> int:
        """Bytes."""
        return 4 * int(np.prod(self.shape, dtype=np.int64))


@dataclass
class GraphWriter:
    """Collects the nodes of one graph. Every method returns the name of the tensor that it made."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = field(default_factory=dict)
    weights: dict[str, Weight] = field(default_factory=dict)

    def input(self, name: str, shape: tuple[str | int, ...]) -> str:
        """An int64 input."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, shape))
        return name

    def output(self, name: str, source: str, shape: tuple[str | int, ...]) -> None:
        """Name `source` as a float32 output."""
        self.node("Identity", source, name=name)
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def node(self, op: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        return self.split(op, *inputs, names=(name or f"{op}_{len(self.nodes)}",), domain=domain, **attributes)[0]

    def split(
        self, op: str, *inputs: str, names: tuple[str, ...], domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node with the outputs `names`."""
        self.nodes.append(helper.make_node(op, inputs, names, name=f"/{names[0]}", domain=domain, **attributes))
        return names

    def constant(self, value: object, dtype: type[np.generic]) -> str:
        """A small tensor inside the graph file; equal ones are one."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
        return str(self.constants[key].name)

    def ints(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant(values, np.int64)

    def weight(self, checkpoint: Checkpoint, *parts: str, shape: tuple[int, ...], name: str = "") -> str:
        """An external float32 tensor: `parts`, each of shape [shape[0] / len(parts), ...], joined along dimension 0.

        Raises FreeholdError `tensor_missing`, `tensor_misshapen`, `weights_quantized`.
        """
        name = name or parts[0]
        for part in parts:
            checkpoint.require(part, (shape[0] // len(parts), *shape[1:]))
        last = next(reversed(self.weights.values()), None)
        end = last.offset + last.size if last else 0
        self.weights[name] = Weight(checkpoint, parts, shape, -(-end // PAGE) * PAGE)
        return name

    def save(self, folder: Path) -> None:
        """Write `model.onnx` and its data file into `folder`, which has neither. Raises OSError, FreeholdError."""
        with (folder / DATA_FILE).open("xb") as file:
            for weight in self.weights.values():
                file.seek(weight.offset)
                for part in weight.parts:
                    for block in weight.checkpoint.blocks(part):
                        file.write(block.data)
            _to_disk(file)
        with (folder / "model.onnx").open("xb") as file:
            file.write(self.model().SerializeToString())
            _to_disk(file)

    def model(self) -> onnx.ModelProto:
        """The graph with references into the data file."""
        initializers = [*self.constants.values(), *(_external(name, each) for name, each in self.weights.items())]
        graph = helper.make_graph(self.nodes, "encoder", self.inputs, self.outputs, initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="freehold")
        model.ir_version = IR_VERSION
        return model


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _external(name: str, weight: Weight) -> onnx.TensorProto:
    tensor: onnx.TensorProto = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=weight.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", DATA_FILE), ("offset", str(weight.offset)), ("length", str(weight.size))):
        tensor.external_data.add(key=key, value=value)
    return tensor
