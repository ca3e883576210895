"""What activations were seen to be."""

from pathlib import Path

import numpy as np

from freehold.adapt.quantize.laboratory import Laboratory
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.ranges import measured_ranges
from freehold.adapt.quantize.units import FloatGraph


def test_ranges(mlp: Path, tmp_path: Path) -> None:
    """Inputs of products, the graph's own too, over all feeds; values behind a Relu are not negative."""
    graph, folder = FloatGraph.open(mlp), tmp_path / "scratch"
    folder.mkdir()
    laboratory = Laboratory.open(graph, Parent.open(mlp).manifest, folder, ())
    rng = np.random.default_rng(0)
    feeds = [{"x": (rng.standard_normal((50, 64)) * width).astype(np.float32)} for width in (1, 3)]
    ranges = measured_ranges(graph, laboratory.float_graph, feeds)
    assert set(ranges) == {"x", "c"}
    assert ranges["c"].lowest == 0
    assert ranges["x"].lowest < -8 < 8 < ranges["x"].highest


def test_convolution_makes_a_range(convolution: Path, tmp_path: Path) -> None:
    """Of a convolution the output is watched as well: it is rounded too."""
    graph, folder = FloatGraph.open(convolution), tmp_path / "scratch"
    folder.mkdir()
    laboratory = Laboratory.open(graph, Parent.open(convolution).manifest, folder, ())
    feeds = [{"x": np.zeros((1, 3, 8, 8), np.float32)}]
    assert set(measured_ranges(graph, laboratory.float_graph, feeds)) == {"x", "a", "b", "c"}
