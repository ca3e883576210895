"""The writer's graphs are valid, and its data file lies as the runtimes map it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from safetensors.numpy import save_file

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.onnx_graph import DATA_FILE, PAGE, DataFile, GraphWriter
from freehold.adapt.weights import Rows
from freehold.errors import FreeholdError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """Two tensors, one of them longer than a page."""
    arrays = {"wide": np.arange(2000, dtype=np.float32).reshape(500, 4), "bias": np.ones(4, np.float16)}
    save_file(arrays, tmp_path / "model.safetensors")
    return Checkpoint.open((tmp_path / "model.safetensors",))


def lookup(checkpoint: Checkpoint) -> GraphWriter:
    graph = GraphWriter()
    rows = graph.input("rows", ("n",))
    found = graph.node("Gather", graph.weight(checkpoint, "wide", (500, 4)), rows, axis=0)
    graph.output("y", graph.node("Add", found, graph.weight(checkpoint, "bias", (4,), name="shift")), ("n", 4))
    return graph


def test_weights_are_found_where_the_graph_says(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """ONNX Runtime reads them from the data file; 16-bit ones are widened."""
    graph = lookup(checkpoint)
    graph.save_weights(tmp_path)
    graph.save_model(tmp_path / "model.onnx")
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"rows": np.array([0, 499])})
    np.testing.assert_array_equal(answer, [[1, 2, 3, 4], [1997, 1998, 1999, 2000]])


def test_every_weight_begins_on_a_page(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """So that processes can map and share it; the file ends with the last one."""
    graph = lookup(checkpoint)
    graph.save_weights(tmp_path)
    offsets = [weight.offset for weight in graph.weights.values()]
    assert offsets == [0, 2 * PAGE]
    assert (tmp_path / DATA_FILE).stat().st_size == 2 * PAGE + 16


def test_an_existing_data_file_is_never_appended_to(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Offsets would point at the older weights."""
    graph = lookup(checkpoint)
    graph.save_weights(tmp_path)
    with pytest.raises(FileExistsError):
        graph.save_weights(tmp_path)


def test_equal_constants_are_one_and_names_are_unique() -> None:
    """Also between a graph and its branches."""
    graph = GraphWriter()
    assert graph.vector(1, 2) == graph.inside().vector(1, 2) != graph.vector(1)
    assert graph.number(0) != graph.vector(0)
    assert graph.name("x") != graph.inside().name("x")


def test_a_branch_sees_what_surrounds_it(tmp_path: Path) -> None:
    """Inputs and constants of the outer graph, from inside either branch."""
    graph = GraphWriter()
    x = graph.input("x", ("n",))
    doubled, negated = graph.inside(), graph.inside()
    doubled.output("a", doubled.node("Cast", doubled.node("Mul", x, doubled.number(2)), to=1), ("n",))
    negated.output("b", negated.node("Cast", negated.node("Neg", x), to=1), ("n",))
    short = graph.node("Less", graph.length(x), graph.number(3))
    graph.output("y", graph.choose(short, doubled, negated), ("n",))
    graph.save_model(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.array([1, 2])})[0].tolist() == [2, 4]
    assert session.run(None, {"x": np.array([1, 2, 3])})[0].tolist() == [-1, -2, -3]


def test_the_same_graph_is_written_to_the_same_bytes(checkpoint: Checkpoint) -> None:
    """An artifact's digest names its content."""
    first, second = (lookup(checkpoint).model().SerializeToString() for _ in range(2))
    assert first == second


def test_a_weight_of_another_shape_is_refused_before_anything_is_written(checkpoint: Checkpoint) -> None:
    """Both shapes are shown."""
    with pytest.raises(FreeholdError, match=r"shape \[500, 4\].*\[4, 500\]"):
        GraphWriter().weight(checkpoint, "wide", (4, 500))


def test_shapes_keep_the_names_of_their_free_dimensions(checkpoint: Checkpoint) -> None:
    """Engines tell by them what may be batched."""
    value = lookup(checkpoint).model().graph.input[0]
    assert value == helper.make_tensor_value_info("rows", onnx.TensorProto.INT64, ("n",))


def test_graphs_over_one_data_file_name_what_they_use(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Each weight lies there once, whichever graph placed it; a graph knows nothing of the others' weights."""
    data = DataFile()
    first, second = GraphWriter(data=data), GraphWriter(data=data)
    for graph, more in ((first, ""), (second, "bias")):
        rows = graph.input("rows", ("n",))
        found = graph.node("Gather", graph.weight(checkpoint, "wide", (500, 4)), rows, axis=0)
        added = graph.node("Add", found, graph.weight(checkpoint, more, (4,))) if more else found
        graph.output("y", added, ("n", 4))
    first.save_weights(tmp_path)
    answers = []
    for name, graph in (("first", first), ("second", second)):
        graph.save_model(tmp_path / f"{name}.onnx")
        session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"])
        answers.append(session.run(None, {"rows": np.array([1])})[0].tolist())
    assert answers == [[[4, 5, 6, 7]], [[5, 6, 7, 8]]]
    assert list(first.weights) == ["wide"]
    assert list(data.weights) == ["wide", "bias"]


def test_one_weight_is_seen_in_two_shapes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A tied table is looked up by one operator and multiplied by another, which wants other dimensions."""
    graph = GraphWriter()
    rows = graph.input("rows", ("n",))
    table = Rows.of(checkpoint, {"wide": (500, 4)})
    for name, shape in (("as_it_is", None), ("doubled", (250, 8))):
        seen = graph.external("wide", table, shape)
        graph.output(name, graph.node("Gather", seen, rows, axis=0), ("n", 4 if shape is None else 8))
    graph.save_weights(tmp_path)
    graph.save_model(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    plain, doubled = session.run(None, {"rows": np.array([1])})
    assert (plain.tolist(), doubled.tolist()) == ([[4, 5, 6, 7]], [list(range(8, 16))])
    assert (tmp_path / DATA_FILE).stat().st_size == 500 * 4 * 4


def test_a_name_stands_for_one_weight(checkpoint: Checkpoint) -> None:
    """Two that share it would read each other's values."""
    graph = GraphWriter()
    graph.weight(checkpoint, "wide", (500, 4), name="x")
    with pytest.raises(AssertionError, match="x is placed already"):
        graph.weight(checkpoint, "bias", (4,), name="x")


def test_a_node_may_have_several_outputs_and_inputs_of_other_types(tmp_path: Path) -> None:
    """Parts of a split, outputs under names of the caller's own, floats and int32 beside int64."""
    graph = GraphWriter()
    x = graph.input("x", ("n", 3), np.float32)
    count = graph.input("count", (), np.int32)
    left, right = graph.split(x, 1, 2)
    graph.output("left", left, ("n", 1))
    graph.node("Identity", right, outputs=[graph.output("right", None, ("n", 2))])
    graph.output("count_as_float", graph.node("Cast", count, to=onnx.TensorProto.FLOAT), ())
    graph.save_model(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(None, {"x": np.array([[1, 2, 3]], np.float32), "count": np.array(7, np.int32)})
    assert [each.tolist() for each in answers] == [[[1]], [[2, 3]], 7]
