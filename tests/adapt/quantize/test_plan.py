"""What is asked, and which forms follow from it."""

from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.quantize.forms import Blocks, ByRow, Dynamic, Static
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.plan import (
    Activations,
    Quantization,
    calibrates,
    form_of,
    ladder_of,
    method_of,
    units_wanted,
)
from freehold.adapt.quantize.units import FloatGraph
from freehold.artifact import MadeBy, Manifest
from freehold.errors import FreeholdError


def manifest(kind: Any) -> Manifest:
    return Manifest(1, "m", kind, "tensor", "fp32", (), (), MadeBy("t", "1", ""), {})


@pytest.mark.parametrize(
    ("kind", "to", "method"),
    [
        ("embed", "int8", "dynamic"),
        ("generate", "int8", "nbits"),
        ("embed", "int4", "nbits"),
        ("generate", "w8a8", "dynamic"),
        ("tensor", "w8a8", "dynamic"),
    ],
)
def test_usual_methods(kind: str, to: Any, method: str) -> None:
    """Each kind has its usual method."""
    assert method_of(Quantization(Path(), "n", to), manifest(kind)) == method


@pytest.mark.parametrize(
    ("kind", "to", "method"),
    [
        ("embed", "int4", "dynamic"),
        ("embed", "w8a8", "static"),
        ("generate", "int8", "static"),
        ("generate", "int8", "dynamic"),
    ],
)
def test_methods_that_do_not_suit(kind: str, to: Any, method: Any) -> None:
    """A method that makes no such weights is refused with those that do."""
    with pytest.raises(FreeholdError) as raised:
        method_of(Quantization(Path(), "n", to, method), manifest(kind))
    assert raised.value.code == "quantize_method_unsuited"
    assert method not in raised.value.details["known"]


def test_forms() -> None:
    """The form of each precision and method, and what the worst weights take instead."""
    nothing = Activations({}, {})
    assert form_of("int8", "dynamic", nothing) == Dynamic()
    assert form_of("int8", "static", nothing) == Static({})
    assert form_of("w8a8", "dynamic", nothing) == ByRow()
    assert form_of("int4", "nbits", nothing) == Blocks(4, 32)
    assert ladder_of("int4", "nbits", nothing) == (Blocks(8, 32), None)
    assert ladder_of("int8", "dynamic", nothing) == (ByRow(), None)
    assert ladder_of("int8", "nbits", nothing) == ladder_of("w8a8", "dynamic", nothing) == (None,)


def test_a_calibration_is_made_where_a_form_needs_it() -> None:
    """Scales found at each run need none; those of the form that a search may turn to do."""
    plain, searched = Quantization(Path(), "n"), Quantization(Path(), "n", min_quality=0.9)
    assert not calibrates(plain, "dynamic")
    assert calibrates(searched, "dynamic")
    assert calibrates(plain, "static")
    assert calibrates(Quantization(Path(), "n", "w8a8"), "dynamic")
    assert not calibrates(searched, "nbits")


def test_keep(mlp: Path) -> None:
    """Patterns leave weights out; one that matches nothing names the nearest, and all kept is nothing to do."""
    graph = FloatGraph.open(mlp)
    names = [unit.name for unit in units_wanted(graph, Quantization(mlp, "n", keep=("sec*",)))]
    assert names == ["first"]
    for keep, code in ((("secnd",), "quantize_keep_unknown"), (("*",), "quantize_nothing")):
        with pytest.raises(FreeholdError) as raised:
            units_wanted(graph, Quantization(mlp, "n", keep=keep))
        assert raised.value.code == code
        assert code != "quantize_keep_unknown" or raised.value.details["closest"] == "second"


def test_opset_for_rows(write_graph: Any, tmp_path: Path) -> None:
    """Scales by row need a later opset than scales by tensor."""
    graph = FloatGraph.open(write_graph(tmp_path, opset=17))
    assert len(units_wanted(graph, Quantization(graph.path, "n"))) == 2
    with pytest.raises(FreeholdError) as raised:
        units_wanted(graph, Quantization(graph.path, "n", "w8a8"))
    assert raised.value.code == "quantize_opset_old"
    assert Parent.open(graph.path).manifest.kind == "tensor"
