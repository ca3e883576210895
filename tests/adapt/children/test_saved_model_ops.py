"""What would run of a SavedModel is known from its graph; tests/adapt/test_from_tensorflow.py meets real ones.

The messages here have the fields of TensorFlow's, which is not installed beside these tests.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace as Message
from typing import Any

from freehold.adapt.children.saved_model_ops import operations


@dataclass
class Value:
    """AttrValue: a function, or a list of them."""

    func: Any = None
    list: Any = field(default_factory=lambda: Message(func=[]))

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        return getattr(self, name) is not None


def calls(*functions: str) -> dict[str, Value]:
    if len(functions) == 1:
        return {"f": Value(Message(name=functions[0]))}
    return {"branches": Value(list=Message(func=[Message(name=name) for name in functions]))}


def node(name: str, op: str, inputs: tuple[str, ...] = (), attr: dict[str, Value] | None = None) -> Message:
    return Message(name=name, op=op, input=list(inputs), attr=attr or {})


def function(name: str, *nodes: Message) -> Message:
    return Message(signature=Message(name=name), node_def=nodes)


def thing(
    children: dict[str, int] | None = None, functions: tuple[str, ...] = (), bare: str = "", **saveables: Message
) -> Message:
    """One node of the object graph."""
    return Message(
        children=[Message(local_name=name, node_id=index) for name, index in (children or {}).items()],
        function=Message(concrete_functions=functions),
        bare_concrete_function=Message(concrete_function_name=bare),
        saveable_objects=saveables,
    )


def meta_graph(
    nodes: list[Message] | None = None,
    functions: list[Message] | None = None,
    objects: list[Message] | None = None,
    output: str = "",
    init: str = "",
    restore: str = "",
) -> Message:
    return Message(
        graph_def=Message(node=nodes or [], library=Message(function=functions or [])),
        object_graph_def=Message(nodes=objects or []),
        signature_def={"serve": Message(outputs={"y": Message(name=output)})},
        collection_def={"legacy_init_op": Message(node_list=Message(value=[init]))} if init else {},
        saver_def=Message(restore_op_name=restore),
    )


def test_only_what_the_signature_reaches_counts() -> None:
    """Inputs, and what is only waited for; the neighbour is not run."""
    nodes = [
        node("x", "Placeholder"),
        node("write", "WriteFile"),
        node("y", "Relu", ("x:0", "^write")),
        node("other", "ReadFile"),
    ]
    assert operations(meta_graph(nodes, output="y:0"), "serve") == {
        "Placeholder": "the graph",
        "WriteFile": "the graph",
        "Relu": "the graph",
    }


def test_functions_are_followed_however_they_are_called() -> None:
    """By an attribute, by one of a list of branches, by the kind of a node that has a function's name, in circles."""
    functions = [
        function("outer", node("a", "If", attr=calls("then", "else"))),
        function("then", node("b", "Relu")),
        function("else", node("c", "Tanh"), node("again", "PartitionedCall", attr=calls("outer"))),
        function("Relu", node("d", "WriteFile")),
    ]
    nodes = [node("y", "StatefulPartitionedCall", attr=calls("outer"))]
    found = operations(meta_graph(nodes, functions, output="y:0"), "serve")
    assert found["WriteFile"] == "Relu"
    assert "Relu" not in found
    assert set(found) == {"StatefulPartitionedCall", "If", "Tanh", "PartitionedCall", "WriteFile"}


def test_what_loading_runs_by_itself_counts() -> None:
    """Tables that are made and filled, content that is restored, the start of older files; saving does not."""
    functions = [
        function(name, node("n", f"Op_{name}")) for name in ("made", "filled", "restored", "called", "trained")
    ]
    objects = [
        thing({"signatures": 1, "table": 2, "train": 3}),
        thing({"serve": 4, "another": 3}),
        thing({"_create_resource": 5, "_initialize": 6}, part=Message(save_function=0, restore_function=7)),
        thing(functions=("trained",)),
        thing(bare="called"),
        thing(functions=("made",)),
        thing(functions=("filled",)),
        thing(functions=("restored",)),
    ]
    nodes = [node("start", "PyFunc"), node("back", "RestoreV2"), node("save", "SaveV2")]
    found = operations(meta_graph(nodes, functions, objects, init="start", restore="back"), "serve")
    assert set(found) == {"Op_made", "Op_filled", "Op_restored", "Op_called", "PyFunc", "RestoreV2"}
