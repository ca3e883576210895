"""Causal attention within texts, against a plain computation of its formula."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from freehold.adapt.attention import CPU, Projected, Turns
from freehold.adapt.causal_attention import CausalBlocks, CausalMasked, GroupedHeads, Reach
from freehold.adapt.onnx_graph import GraphWriter

HEADS = GroupedHeads(6, 2, 8)
WINDOW = 20
Array = np.ndarray[Any, Any]
States = tuple[Array, ...]


def masked(graph: GraphWriter, reach: Reach) -> CausalMasked:
    return CausalMasked(graph, HEADS, reach, reach)


FORMS: dict[str, tuple[Callable[[GraphWriter, Reach], CausalMasked | CausalBlocks], int]] = {
    "masked": (masked, 0),
    "by number": (lambda graph, reach: CausalBlocks(graph, HEADS, reach, CPU), 0),
    "in blocks only": (lambda graph, reach: CausalBlocks(graph, HEADS, reach, Turns(0, 7)), 0),
    "masked, window": (masked, WINDOW),
    "in blocks only, window": (lambda graph, reach: CausalBlocks(graph, HEADS, reach, Turns(0, 7)), WINDOW),
}


class Form:
    """A graph of attention alone, and how far back it reaches."""

    def __init__(self, name: str, path: Path) -> None:
        make, self.window = FORMS[name]
        graph = GraphWriter()
        owners, starts = graph.input("owners", ("tokens",)), graph.input("starts", ("texts",))
        self.names = Projected("query", "key", "value")
        for each, width in zip(self.names, (HEADS.width, HEADS.shared_width, HEADS.shared_width), strict=True):
            graph.inputs.append(onnx.helper.make_tensor_value_info(each, TensorProto.FLOAT, ("tokens", width)))
        attention = make(graph, Reach.back(graph, owners, starts, self.window))
        graph.output("context", attention.attend(self.names), ("tokens", HEADS.width))
        graph.save_model(path)
        onnx.checker.check_model(str(path), full_check=True)
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def __call__(self, states: States, lengths: list[int]) -> Array:
        """The context of every token of texts of `lengths`."""
        feeds: dict[str, Any] = dict(zip(self.names, states, strict=True))
        feeds["owners"] = np.repeat(np.arange(len(lengths)), lengths)
        feeds["starts"] = np.cumsum(lengths) - lengths
        context: Array = self.session.run(None, feeds)[0]
        return context


@pytest.fixture(scope="module", params=FORMS)
def attend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Form:
    """Each form."""
    return Form(request.param, tmp_path_factory.mktemp("attention") / "model.onnx")


def plainly(states: States, lengths: list[int], window: int) -> Array:
    """Softmax(Q K^T / sqrt(size)) V of each text and head by itself, over what each token sees, in float64."""
    rows = []
    edges = np.cumsum(lengths)[:-1]
    for text in zip(*(np.split(each.astype(np.float64), edges) for each in states), strict=True):
        q, k, v = (each.reshape(len(each), -1, HEADS.size).transpose(1, 0, 2) for each in text)
        k, v = (np.repeat(each, HEADS.count // HEADS.groups, axis=0) for each in (k, v))
        back = np.arange(q.shape[1])[:, None] - np.arange(q.shape[1])
        seen = (back >= 0) & (back < (window or len(back) + 1))
        scores = np.where(seen, q @ k.transpose(0, 2, 1) / np.sqrt(HEADS.size), -np.inf)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        context = shares / shares.sum(axis=-1, keepdims=True) @ v
        rows.append(context.transpose(1, 0, 2).reshape(-1, HEADS.width))
    return np.concatenate(rows)


def drawn(tokens: int, seed: int = 0) -> States:
    rng = np.random.default_rng(seed)
    widths = (HEADS.width, HEADS.shared_width, HEADS.shared_width)
    return tuple(rng.standard_normal((tokens, width), np.float32) for width in widths)


EDGES = [edge for turn in (CPU.block, CPU.few, 2 * CPU.few) for edge in (turn - 1, turn, turn + 1)]


@pytest.mark.parametrize("lengths", [[1], *([n] for n in EDGES), *([1, n, 2] for n in EDGES), [1] * 200])
def test_at_the_edges_of_every_branch(lengths: list[int], attend: Form) -> None:
    """Around the size of a block and the limit of the masked branch, alone and in company."""
    given = drawn(sum(lengths))
    np.testing.assert_allclose(attend(given, lengths), plainly(given, lengths, attend.window), atol=2e-6)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 120), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_any_lengths_in_any_order(lengths: list[int], seed: int, attend: Form) -> None:
    """No text sees another and no token what comes after it, wherever blocks cut."""
    given = drawn(sum(lengths), seed)
    np.testing.assert_allclose(attend(given, lengths), plainly(given, lengths, attend.window), atol=2e-6)


def test_some_queries_alone_get_what_they_get_among_all(tmp_path: Path) -> None:
    """The last tokens of texts, which are all that a pooled answer needs of its last layer."""
    graph = GraphWriter()
    owners, starts = graph.input("owners", ("tokens",)), graph.input("starts", ("texts",))
    last = graph.input("last", ("texts",))
    for each, width in (("q", HEADS.width), ("k", HEADS.shared_width), ("v", HEADS.shared_width)):
        graph.inputs.append(onnx.helper.make_tensor_value_info(each, TensorProto.FLOAT, ("tokens", width)))
    reach = Reach.back(graph, owners, starts, 0)
    attention = CausalMasked(graph, HEADS, reach.of(graph, last), reach)
    query = graph.node("Gather", "q", last, axis=0)
    graph.output("context", attention.attend(Projected(query, "k", "v")), ("texts", HEADS.width))
    graph.save_model(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    lengths, given = [5, 1, 9], drawn(15)
    feeds = dict(zip("qkv", given, strict=True)) | {
        "owners": np.repeat(np.arange(3), lengths),
        "starts": np.array([0, 5, 6]),
        "last": np.array([4, 5, 14]),
    }
    np.testing.assert_allclose(session.run(None, feeds)[0], plainly(given, lengths, 0)[[4, 5, 14]], atol=2e-6)
