"""Writing an ONNX graph by hand: nodes by name, weights in a file beside it, page-aligned so that mmap shares them."""

import itertools
import os
from collections.abc import Iterator
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

Shape = tuple[str | int, ...]


@dataclass(frozen=True)
class Weight:
    """One external tensor, float32, and where it comes from."""

    checkpoint: Checkpoint
    source: str  # its name there
    shape: tuple[int, ...]
    offset: int  # bytes into the data file, a multiple of PAGE

    @property
    def size(self) -> int:
        """Bytes."""
        return 4 * int(np.prod(self.shape, dtype=np.int64))


@dataclass
class GraphWriter:
    """Collects the nodes of one graph, or of a branch or body inside it, which sees all names of what surrounds it.

    Every method that adds something returns the name of the tensor that it made.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = field(default_factory=dict)
    weights: dict[str, Weight] = field(default_factory=dict)
    counter: Iterator[int] = field(default_factory=itertools.count)

    def inside(self) -> "GraphWriter":
        """A writer for a branch or a body; what it needs of constants and weights lies in the outermost graph."""
        return GraphWriter(constants=self.constants, weights=self.weights, counter=self.counter)

    def input(self, name: str, shape: Shape) -> str:
        """An int64 input."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, shape))
        return name

    def output(self, name: str, source: str, shape: Shape) -> None:
        """Name `source` as a float32 output."""
        self.nodes.append(helper.make_node("Identity", [source], [name], name=f"/{name}"))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        made = self.name(op)
        self.nodes.append(helper.make_node(op, inputs, [made], name=f"/{made}", domain=domain, **attributes))
        return made

    def name(self, stem: str) -> str:
        """A name that no other tensor has."""
        return f"{stem}_{next(self.counter)}"

    def constant(self, value: object, dtype: type[np.generic]) -> str:
        """A small tensor inside the graph file; equal ones are one."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
        return str(self.constants[key].name)

    def number(self, value: int) -> str:
        """A constant int64 scalar."""
        return self.constant(value, np.int64)

    def vector(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant(values, np.int64)

    def real(self, value: float) -> str:
        """A constant float32 scalar."""
        return self.constant(value, np.float32)

    def column(self, vector: str) -> str:
        """[n] -> [n, 1]."""
        return self.node("Unsqueeze", vector, self.vector(1))

    def row(self, vector: str) -> str:
        """[n] -> [1, n]; any tensor gets a dimension of 1 in front."""
        return self.node("Unsqueeze", vector, self.vector(0))

    def length(self, vector: str) -> str:
        """The number of elements of a vector, a scalar."""
        return self.node("Squeeze", self.node("Shape", vector), self.vector(0))

    def choose(self, condition: str, then: "GraphWriter", otherwise: "GraphWriter") -> str:
        """One of two branches, each with one output of one type."""
        return self.node("If", condition, then_branch=then.graph("then"), else_branch=otherwise.graph("else"))

    def weight(self, checkpoint: Checkpoint, source: str, shape: tuple[int, ...], name: str = "") -> str:
        """An external float32 tensor, called `name`, else `source`. Raises FreeholdError as `Checkpoint.require`."""
        checkpoint.require(source, shape)
        last = next(reversed(self.weights.values()), None)
        end = last.offset + last.size if last else 0
        self.weights[name or source] = Weight(checkpoint, source, shape, -(-end // PAGE) * PAGE)
        return name or source

    def graph(self, name: str) -> onnx.GraphProto:
        """What was collected, without constants and weights."""
        return helper.make_graph(self.nodes, name, self.inputs, self.outputs)

    def model(self) -> onnx.ModelProto:
        """The whole model, with references into the data file."""
        graph = self.graph("encoder")
        graph.initializer.extend(self.constants.values())
        graph.initializer.extend(_external(name, weight) for name, weight in self.weights.items())
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="freehold")
        model.ir_version = IR_VERSION
        return model

    def save_model(self, path: Path) -> None:
        """Write the graph alone to `path`, which must not be there. Raises OSError."""
        with path.open("xb") as file:
            file.write(self.model().SerializeToString())
            _to_disk(file)

    def save_weights(self, folder: Path) -> None:
        """Write the data file, a few rows in memory at a time. Raises OSError and FreeholdError `weights_corrupt`.

        A new file each time: what appends, like onnx.save, would leave the offsets pointing at older weights.
        """
        with (folder / DATA_FILE).open("xb") as file:
            for weight in self.weights.values():
                file.seek(weight.offset)
                for block in weight.checkpoint.blocks(weight.source):
                    file.write(block.data)
            _to_disk(file)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _external(name: str, weight: Weight) -> onnx.TensorProto:
    tensor: onnx.TensorProto = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=weight.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", DATA_FILE), ("offset", str(weight.offset)), ("length", str(weight.size))):
        tensor.external_data.add(key=key, value=value)
    return tensor
