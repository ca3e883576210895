"""Which operations run when a SavedModel is loaded and called, read out of its graph before either happens.

A SavedModel carries a graph and no Python, yet operations of a graph can read and write files or call back. What runs
is what the called signature reaches, and what loading runs by itself: making and filling tables, restoring what they
hold. Training and saving lie in the same file and are not run.

The messages are those of `saved_model.proto`; nothing here imports TensorFlow.
"""

from collections.abc import Iterator
from typing import Any

INIT_SIGNATURE = "__saved_model_init_op"
INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")  # of SavedModels written by TensorFlow 1
RESOURCE_FUNCTIONS = frozenset({"_create_resource", "_initialize", "_destroy_resource"})

# What holds a graph together, and what constant folding takes out of it: none of it reaches beyond the model, but for
# RestoreV2, which reads a checkpoint.
HARMLESS = frozenset(
    {
        "Assert",
        "AssignVariableOp",
        "BroadcastArgs",
        "BroadcastGradientArgs",
        "ConcatOffset",
        "DisableCopyOnRead",
        "EmptyTensorList",
        "GuaranteeConst",
        "HashTable",
        "HashTableV2",
        "InitializeTableV2",
        "LinSpace",
        "ListDiff",
        "LookupTableExportV2",
        "LookupTableFindV2",
        "LookupTableImportV2",
        "LookupTableInsertV2",
        "LookupTableSizeV2",
        "MutableHashTableV2",
        "PartitionedCall",
        "PreventGradient",
        "Rank",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "RestoreV2",
        "ShapeN",
        "Snapshot",
        "StatefulPartitionedCall",
        "StatelessCase",
        "VarHandleOp",
        "VarIsInitializedOp",
        "Variable",
        "VariableV2",
        "ZerosLike",
        "_Arg",
        "_Retval",
    }
)


def operations(meta_graph: Any, signature: str) -> dict[str, str]:
    """Every kind of operation that runs when `signature` of a MetaGraphDef is loaded and called -> where it was met."""
    graph = meta_graph.graph_def
    nodes = {node.name: node for node in graph.node}
    library = {function.signature.name: function for function in graph.library.function}
    found: dict[str, str] = {}
    waiting = list(_called_functions(meta_graph.object_graph_def, signature))
    for node in _reached(nodes, _called_nodes(meta_graph, signature)):
        found.setdefault(node.op, "the graph")
        waiting += _functions_of(node)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in library:
            continue
        seen.add(name)
        for node in library[name].node_def:
            found.setdefault(node.op, name)
            waiting += _functions_of(node)
    # A function of the file stands before an operation of the same name: it was followed, and is no operation.
    return {op: place for op, place in found.items() if op not in library}


def _functions_of(node: Any) -> Iterator[str]:
    """Functions that a node may call: named by an attribute, or by its very kind."""
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _called_functions(objects: Any, signature: str) -> Iterator[str]:
    """Names of the functions in the object graph (TensorFlow 2) that loading and calling runs."""
    called: set[int] = set()
    for node in objects.nodes:
        called |= {child.node_id for child in node.children if child.local_name in RESOURCE_FUNCTIONS}
        for saveable in node.saveable_objects.values():
            called |= {saveable.save_function, saveable.restore_function}
    maps = [child.node_id for node in objects.nodes for child in node.children if child.local_name == "signatures"]
    for index in maps:
        called |= {child.node_id for child in objects.nodes[index].children if child.local_name == signature}
    for index in called:
        node = objects.nodes[index]
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name


def _called_nodes(meta_graph: Any, signature: str) -> Iterator[str]:
    """Names of the nodes of the outermost graph that loading and calling runs."""
    for name in (signature, INIT_SIGNATURE):
        if name in meta_graph.signature_def:
            yield from (output.name for output in meta_graph.signature_def[name].outputs.values())
    for name in INIT_COLLECTIONS:
        if name in meta_graph.collection_def:
            yield from meta_graph.collection_def[name].node_list.value
    yield meta_graph.saver_def.restore_op_name


def _reached(nodes: dict[str, Any], names: Iterator[str]) -> Iterator[Any]:
    """The nodes of these names, and everything that they take as an input or wait for."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in seen:
            seen.add(name)
            yield nodes[name]
            waiting += nodes[name].input
