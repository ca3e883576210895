"""Attention within texts, against a plain computation of its formula."""

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

from freehold.adapt.attention import (
    CPU,
    Attention,
    BranchedAttention,
    Heads,
    MaskedAttention,
    Projected,
    Turns,
    same_text,
)
from freehold.adapt.onnx_graph import GraphWriter

HEADS = Heads(3, 8)
Array = np.ndarray[Any, Any]
Make = Callable[[GraphWriter, str, str], Attention]

FORMS: dict[str, Make] = {
    "masked": lambda graph, owners, _: MaskedAttention(graph, HEADS, same_text(graph, owners, owners)),
    "branched": lambda graph, owners, starts: BranchedAttention(graph, HEADS, owners, starts, CPU),
    "in blocks only": lambda graph, owners, starts: BranchedAttention(graph, HEADS, owners, starts, Turns(0, 7)),
}


@pytest.fixture(scope="module", params=FORMS)
def attend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Array]:
    """`attend(states [3, tokens, hidden], lengths)` in each form."""
    graph = GraphWriter()
    owners, starts = graph.input("owners", ("tokens",)), graph.input("starts", ("texts",))
    names = Projected("query", "key", "value")
    for name in names:
        graph.inputs.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, ("tokens", HEADS.width)))
    graph.output("context", FORMS[request.param](graph, owners, starts).attend(names), ("tokens", HEADS.width))
    path: Path = tmp_path_factory.mktemp("attention") / "model.onnx"
    graph.save_model(path)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(states: Array, lengths: list[int]) -> Array:
        feeds = dict(zip(names, states, strict=True))
        feeds["owners"] = np.repeat(np.arange(len(lengths)), lengths)
        feeds["starts"] = np.cumsum(lengths) - lengths
        context: Array = session.run(None, feeds)[0]
        return context

    return run


def plainly(states: Array, lengths: list[int]) -> Array:
    """Softmax(Q K^T / sqrt(size)) V of each text and head by itself, in float64."""
    rows = []
    for text in np.split(states.astype(np.float64), np.cumsum(lengths)[:-1], axis=1):
        q, k, v = (each.reshape(-1, HEADS.count, HEADS.size).transpose(1, 0, 2) for each in text)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(HEADS.size)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        context = shares / shares.sum(axis=-1, keepdims=True) @ v
        rows.append(context.transpose(1, 0, 2).reshape(-1, HEADS.width))
    return np.concatenate(rows)


def states(tokens: int, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal((3, tokens, HEADS.width), np.float32)


EDGES = [edge for turn in (1, CPU.block, CPU.few, 2 * CPU.few) for edge in (turn - 1, turn, turn + 1) if edge]


@pytest.mark.parametrize(
    "lengths", [*([n] for n in EDGES), *([n, 1] for n in EDGES), *([1, n, 2] for n in EDGES), [1] * 300]
)
def test_at_the_edges_of_every_branch(lengths: list[int], attend: Callable[..., Array]) -> None:
    """Around the size of a block and the limit of the masked branch, alone and in company."""
    given = states(sum(lengths), 0)
    np.testing.assert_allclose(attend(given, lengths), plainly(given, lengths), atol=2e-6)


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 150), min_size=1, max_size=10), seed=st.integers(0, 99))
def test_any_lengths_in_any_order(lengths: list[int], seed: int, attend: Callable[..., Array]) -> None:
    """No text sees another, wherever blocks cut."""
    given = states(sum(lengths), seed)
    np.testing.assert_allclose(attend(given, lengths), plainly(given, lengths), atol=2e-6)


def test_large_scores_do_not_overflow(attend: Callable[..., Array]) -> None:
    """The mask's lowest float plus any score stays a share of 0, not a NaN, and the nearest key takes all."""
    given = states(300, 1)
    given[:2] *= np.float32(1e3)  # scores around a million
    context = attend(given, [100, 200])
    assert np.isfinite(context).all()
    assert np.abs(context - plainly(given, [100, 200])).mean() < 1e-3
