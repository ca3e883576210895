"""A float graph written again with some of its weights in other forms."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from freehold.adapt.onnx_graph import DataFile, GraphWriter, initializers
from freehold.adapt.quantize.forms import Form, Writing, look_up
from freehold.adapt.quantize.units import FloatGraph, names_read, opsets_with_ours

INLINE_BYTES = 1024
"""Weights up to this size stay in the graph file."""

Forms = Mapping[str, Form]
"""By the names of units; a unit without one stays as it is."""


@dataclass(frozen=True)
class Rewritten:
    """A model over `data`, not yet on disk."""

    model: onnx.ModelProto
    data: DataFile

    def save(self, path: Path) -> None:
        """Write the graph alone to `path`, which must not be there. Raises OSError."""
        with path.open("xb") as file:
            file.write(self.model.SerializeToString(deterministic=True))
            file.flush()
            os.fsync(file.fileno())


def rewrite(source: FloatGraph, forms: Forms, data: DataFile | None = None) -> Rewritten:
    """`source` with the units in `forms` written so.

    Several graphs of one source may lie over one `data`, which then holds each form of a weight once.
    """
    data = data if data is not None else DataFile()
    writer = GraphWriter(data=data, counter=itertools.count(), prefix="freehold.")
    writing = Writing(writer)
    replaced = {use.node: (forms[unit.name], use) for unit in source.units if unit.name in forms for use in unit.uses}
    for place, node in enumerate(source.model.graph.node):
        if place not in replaced:
            writer.nodes.append(node)
            continue
        form, use = replaced[place]
        writing.attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if use.role == "lookup":
            look_up(writer, use)
        else:
            form.write(writing, use)
        writer.nodes[-1].output[0] = use.output
    return Rewritten(_model(source, writer), data)


def _model(source: FloatGraph, writer: GraphWriter) -> onnx.ModelProto:
    read = {name for node in writer.nodes for name in names_read(node)} | {
        output.name for output in source.model.graph.output
    }
    inline = []
    for tensor in source.model.graph.initializer:
        stored = source.tensors[tensor.name]
        if tensor.name not in read:
            continue
        if stored.file is None and stored.nbytes <= INLINE_BYTES:
            inline.append(tensor)
        else:
            writer.external(tensor.name, stored)
    old = source.model.graph
    graph = helper.make_graph(writer.nodes, old.name, old.input, old.output)
    graph.initializer.extend(inline)
    graph.initializer.extend(initializers(writer))
    model = helper.make_model(graph, opset_imports=opsets_with_ours(source.model), producer_name="freehold")
    model.ir_version = source.model.ir_version
    model.functions.extend(source.model.functions)
    return model
