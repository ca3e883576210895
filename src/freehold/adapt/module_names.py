"""Which tensors of a graph are the input and the output of which module of the network that it was made from.

Three sources, the surest first: what torch's exporter notes beside each node (the chain of modules that it was traced
in), node names that are paths (`/encoder/layer.3/Add`, as older exporters write them), and the names of weights: the
node that reads `encoder.layer.3.output.dense.weight` computes the module `encoder.layer.3.output.dense`. Graphs that
are written here are known by the last.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from freehold.adapt.exposed import ExposedGraph, Node

SCOPES = "pkg.torch.onnx.name_scopes"
PARAMETERS = (".weight", ".bias", ".gamma", ".beta")
# Of operators between two tensors, the ones that a module's vector takes part in; a matrix added is no linear layer.
BY_ELEMENT = frozenset({"Add", "Sub", "Mul", "Div"})


@dataclass(frozen=True)
class Place:
    """The nodes of one module, in their order, and the tensor that goes into the first of them."""

    given: str
    made: tuple[str, ...]


def places(graph: ExposedGraph, modules: Collection[str]) -> dict[tuple[str, ...], Place]:
    """Where modules are in `graph`. A key of several names is one product of several layers, side by side."""
    names = _Names(modules)
    members: dict[tuple[str, ...], list[Node]] = defaultdict(list)
    noted = any(SCOPES in node.metadata for node in graph.nodes)
    for node in graph.nodes:
        found = list(_noted(node, names)) if noted else [*_in_path(node, names), *_by_weight(node, names, graph)]
        for key in dict.fromkeys(found):
            members[key].append(node)
    return {key: _place(nodes, graph) for key, nodes in members.items()}


def _place(nodes: list[Node], graph: ExposedGraph) -> Place:
    own = {name for node in nodes for name in node.outputs}
    constant = graph.weights.keys() | {""}
    outer = (name for node in nodes for name in node.inputs if name not in own and name not in constant)
    return Place(next(outer, ""), tuple(node.outputs[0] for node in nodes if node.outputs))


def module_of(node: Node) -> str:
    """The innermost module that a node was exported from, as its exporter noted it; "" where none did."""
    return next(reversed(_chain(node)), "")


def _chain(node: Node) -> list[str]:
    """The modules around a node as the exporter noted them, the outermost first."""
    try:
        noted = ast.literal_eval(node.metadata.get(SCOPES, "[]"))
    except (ValueError, SyntaxError):
        return []
    return [str(path) for path in noted[:-1]]  # the last is the node itself


def _noted(node: Node, names: "_Names") -> Iterator[tuple[str, ...]]:
    for path in _chain(node):
        found = names.find(path)
        if found:
            yield (found,)


def _in_path(node: Node, names: "_Names") -> Iterator[tuple[str, ...]]:
    parts = node.name.strip("/").split("/")[:-1]
    for end in range(1, len(parts) + 1):
        found = names.find(".".join(parts[:end]))
        if found:
            yield (found,)


def _by_weight(node: Node, names: "_Names", graph: ExposedGraph) -> Iterator[tuple[str, ...]]:
    for name in node.inputs:
        shape = graph.weights.get(name)
        if shape is None or (node.op in BY_ELEMENT and len(shape) > 1):
            continue
        path = next((name.removesuffix(end) for end in PARAMETERS if name.endswith(end)), name)
        parent, _, last = path.rpartition(".")
        found = [names.find(f"{parent}.{part}" if parent else part) for part in last.split("+")]
        if all(found):
            yield tuple(found)


class _Names:
    """Modules by their paths, also where the graph or the network has one more module around all of them."""

    def __init__(self, modules: Collection[str]) -> None:
        self._known = frozenset(modules)
        roots = Counter(name.split(".")[0] for name in modules)
        self._roots = [root for root, _ in roots.most_common()]

    def find(self, path: str) -> str:
        """The module at `path`, "" for none."""
        if path in self._known:
            return path
        inner = path.partition(".")[2]
        if inner in self._known and "." in inner:
            return inner
        return next((f"{root}.{path}" for root in self._roots if path and f"{root}.{path}" in self._known), "")
