"""What activations were seen to be, and how rows are quantized for it."""

from pathlib import Path

import numpy as np
import pytest

from freehold.adapt.quantize.activations import Activation, row_settings, watch
from freehold.adapt.quantize.examples import Example
from freehold.adapt.quantize.laboratory import Laboratory
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.tasks import FeedTask, task_of
from freehold.adapt.quantize.units import FloatGraph
from freehold.engine.providers import Feeds


def seen(path: Path, folder: Path, feeds: list[Feeds]) -> tuple[FloatGraph, dict[str, Activation]]:
    graph = FloatGraph.open(path)
    folder.mkdir()
    laboratory = Laboratory.open(graph, Parent.open(path).manifest, folder, ())
    return graph, watch(graph, laboratory.float_graph, feeds)


def test_ranges(mlp: Path, tmp_path: Path) -> None:
    """Inputs of products, the graph's own too, over all feeds; values behind a Relu are not negative."""
    rng = np.random.default_rng(0)
    feeds = [{"x": (rng.standard_normal((50, 64)) * width).astype(np.float32)} for width in (1, 3)]
    graph, found = seen(mlp, tmp_path / "scratch", feeds)
    assert set(found) == {"x", "c"}
    assert found["c"].range.lowest == 0
    assert found["x"].range.lowest < -8 < 8 < found["x"].range.highest
    assert len(found["x"].ends) == 2
    settings = row_settings(graph, found)
    assert settings["c"].zero == 8
    assert 96 <= settings["x"].zero <= 160
    assert settings["x"].divisors is None


def test_convolution_makes_a_range(convolution: Path, tmp_path: Path) -> None:
    """Of a convolution the output is watched as well: it is rounded too."""
    graph, found = seen(convolution, tmp_path / "scratch", [{"x": np.zeros((1, 3, 8, 8), np.float32)}])
    assert set(found) == {"x", "a", "b", "c"}
    assert row_settings(graph, found) == {}


def test_norms_are_smoothed(embedder: Path, tmp_path: Path) -> None:
    """What a layer norm makes is divided channel by channel; a channel of large values by most."""
    parent = Parent.open(embedder)
    task = task_of(parent.artifact, [Example({"text": "a few words of text"}), Example({"text": "more"})])
    assert isinstance(task, FeedTask)
    graph, found = seen(parent.graph, tmp_path / "scratch", list(task.feeds))
    settings = row_settings(graph, found)
    smoothed = {name: one for name, one in settings.items() if one.divisors is not None}
    assert len(smoothed) == 4
    assert len(settings) == 8
    for one in smoothed.values():
        assert one.divisors is not None
        assert np.exp(np.log(one.divisors).mean()) == pytest.approx(1, abs=1e-3)


def test_nothing_seen() -> None:
    """Without values the codes lie evenly."""
    activation = Activation()
    activation.add(np.zeros((0, 4), np.float32))
    assert activation.zero(None) == 128
