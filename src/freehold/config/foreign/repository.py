"""A folder of models that another server's files describe, as the models of a configuration."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from freehold.config.document import Node, Value
from freehold.config.foreign.declared import ForeignModel
from freehold.config.foreign.mlserver import is_mlserver_model, read_mlserver_model
from freehold.config.foreign.triton import is_triton_model, read_triton_model
from freehold.config.shapes import DeclaredTensor
from freehold.errors import FreeholdError

OWN = ("manifest.json", "config.json", "model.onnx")
"""Files by which a folder is a model of this house, whatever else lies in it."""


class Repository(NamedTuple):
    """A configuration's tree with its `models`, what is wrong with some, and notes on settings without effect."""

    tree: Node
    problems: tuple[FreeholdError, ...]
    notes: tuple[FreeholdError, ...]


def read_repository(folder: Path) -> Repository | None:
    """The models in `folder`: itself, or those one level below; None where no other server's files are."""
    own = any((folder / name).is_file() for name in OWN) and not is_mlserver_model(folder)
    if own or not folder.is_dir():
        return None
    places = [folder] if _is_model(folder) else [path for path in sorted(folder.iterdir()) if _is_model(path)]
    if not places:
        return None
    models, problems = [], []
    for place in places:
        try:
            models.append(read_mlserver_model(place) if is_mlserver_model(place) else read_triton_model(place))
        except FreeholdError as error:
            problems.append(error)
    nodes = [Node(dict(_entries(model)), model.where, key=f"models[{index}]") for index, model in enumerate(models)]
    tree = Node({"models": Node(list(nodes), str(folder), key="models")}, str(folder))
    return Repository(tree, tuple(problems), tuple(note for model in models for note in model.notes))


def _is_model(folder: Path) -> bool:
    return folder.is_dir() and (is_mlserver_model(folder) or is_triton_model(folder))


def _entries(model: ForeignModel) -> Iterator[tuple[str, Node]]:
    """The keys of one model of a configuration. With one input its shape is what probes and tuning go by."""
    values: dict[str, Value] = {
        "id": model.name,
        "source": str(model.graph.absolute()),
        "kind": "tensor",
        "versions": {number: Node(str(graph.absolute()), model.where) for number, graph in model.versions.items()},
        "inputs": [_declared(tensor, model.where) for tensor in model.inputs],
        "outputs": [_declared(tensor, model.where) for tensor in model.outputs],
    }
    if len(model.inputs) == 1:
        values["input_shape"] = [Node(size, model.where) for size in model.inputs[0].shape]
    for key, value in values.items():
        if value:
            yield key, Node(value, model.where, key=key)


def _declared(tensor: DeclaredTensor, where: str) -> Node:
    shape = Node([Node(size, where) for size in tensor.shape], where)
    return Node({"name": Node(tensor.name, where), "datatype": Node(tensor.datatype, where), "shape": shape}, where)
