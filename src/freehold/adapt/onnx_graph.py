"""Writing an ONNX graph by hand: nodes by name, weights in a file beside it, page-aligned so that mmap shares them.

Several graphs may lie over one data file: each names the weights that it uses, and the file holds each once.
"""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.weights import Rows, Source

DATA_FILE = "model.onnx.data"
PAGE = 4096
OPSET = 20
IR_VERSION = 10
MICROSOFT = "com.microsoft"

Shape = tuple[str | int, ...]


@dataclass(frozen=True)
class Weight:
    """One external tensor: where its values come from, the shape that a graph sees them in, and where they lie."""

    source: Source
    shape: tuple[int, ...]
    offset: int  # bytes into the data file, a multiple of PAGE

    @property
    def size(self) -> int:
        """Bytes."""
        return self.source.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


@dataclass
class DataFile:
    """The weights of one or more graphs, in the order in which they were placed."""

    weights: dict[str, Weight] = field(default_factory=dict)

    def place(self, name: str, source: Source) -> Weight:
        """Give `source` a place, or find the one that it has. Equal names must have equal sources."""
        if name not in self.weights:
            last = next(reversed(self.weights.values()), None)
            end = last.offset + last.size if last else 0
            self.weights[name] = Weight(source, source.shape, -(-end // PAGE) * PAGE)
        assert self.weights[name].source == source, f"{name} is placed already, with other values"
        return self.weights[name]

    def save(self, folder: Path) -> None:
        """Write the file, one block in memory at a time. Raises OSError and FreeholdError `weights_corrupt`.

        A new file each time: what appends, like onnx.save, would leave the offsets pointing at older weights.
        """
        with (folder / DATA_FILE).open("xb") as file:
            for name, weight in self.weights.items():
                file.seek(weight.offset)
                for block in weight.source.blocks():
                    file.write(block.data)
                assert file.tell() == weight.offset + weight.size, f"{name} is not as long as its shape says"
            _to_disk(file)


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
    data: DataFile = field(default_factory=DataFile)
    counter: Iterator[int] = field(default_factory=itertools.count)
    prefix: str = ""
    """Before every name made here: in a graph that another writer began, it keeps them apart."""

    def inside(self) -> "GraphWriter":
        """A writer for a branch or a body; what it needs of constants and weights lies in the outermost graph."""
        return GraphWriter(
            constants=self.constants, weights=self.weights, data=self.data, counter=self.counter, prefix=self.prefix
        )

    def input(self, name: str, shape: Shape, dtype: type[np.generic] = np.int64) -> str:
        """An input of the graph."""
        self.inputs.append(helper.make_tensor_value_info(name, _onnx_type(dtype), shape))
        return name

    def output(self, name: str, source: str | None, shape: Shape) -> str:
        """A float32 output: another name for `source`; without one, some node makes it under that very name."""
        if source is not None:
            self.nodes.append(helper.make_node("Identity", [source], [name], name=f"/{name}"))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def node(
        self, op: str, *inputs: str, domain: str = "", outputs: Sequence[str] | None = None, **attributes: Any
    ) -> str:
        """Add a node; its first output. The caller may name the outputs, "" for an optional one that nobody reads."""
        made = outputs or [self.name(op)]
        self.nodes.append(helper.make_node(op, inputs, made, name=f"/{made[0]}", domain=domain, **attributes))
        return made[0]

    def split(self, source: str, *widths: int) -> list[str]:
        """Cut the last dimension into parts of `widths`."""
        parts = [self.name("Split") for _ in widths]
        self.node("Split", source, self.vector(*widths), outputs=parts, axis=-1)
        return parts

    def name(self, stem: str) -> str:
        """A name that no other tensor has."""
        return f"{self.prefix}{stem}_{next(self.counter)}"

    def constant(self, value: object, dtype: type[np.generic]) -> str:
        """A small tensor inside the graph file; equal ones are one."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"{self.prefix}constant_{len(self.constants)}")
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
        return self.external(name or source, Rows.of(checkpoint, {source: shape}))

    def external(self, name: str, source: Source, shape: tuple[int, ...] | None = None) -> str:
        """An external tensor; with `shape` its values are seen in another shape than the source's."""
        placed = self.data.place(name, source)
        if shape is None:
            self.weights[name] = placed
            return name
        seen = f"{name} as {'x'.join(map(str, shape))}"
        self.weights[seen] = Weight(source, shape, placed.offset)
        return seen

    def graph(self, name: str) -> onnx.GraphProto:
        """What was collected, without constants and weights."""
        return helper.make_graph(self.nodes, name, self.inputs, self.outputs)

    def model(self) -> onnx.ModelProto:
        """The whole model, with references into the data file."""
        graph = self.graph("freehold")
        graph.initializer.extend(initializers(self))
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
        """Write the data file, that of other graphs over it too. Raises as `DataFile.save`."""
        self.data.save(folder)


def initializers(writer: GraphWriter) -> Iterator[onnx.TensorProto]:
    """Constants of a graph, then its references into the data file."""
    yield from writer.constants.values()
    yield from (_external(name, weight) for name, weight in writer.weights.items())


def save_graphs(graphs: Mapping[str, GraphWriter], folder: Path) -> None:
    """Write graphs by their file names, and the one data file that all of them lie over. Raises as `DataFile.save`."""
    first = next(iter(graphs.values()))
    assert all(graph.data == first.data for graph in graphs.values()), "one data file serves every graph"
    first.save_weights(folder)
    for name, graph in graphs.items():
        graph.save_model(folder / name)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _onnx_type(dtype: np.dtype[Any] | type[np.generic]) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _external(name: str, weight: Weight) -> onnx.TensorProto:
    tensor: onnx.TensorProto = TensorProto(name=name, data_type=_onnx_type(weight.source.dtype), dims=weight.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", DATA_FILE), ("offset", str(weight.offset)), ("length", str(weight.size))):
        tensor.external_data.add(key=key, value=value)
    return tensor
