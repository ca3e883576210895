"""Whether a graph is what was declared."""

import pytest

from freehold.artifact import MadeBy, Manifest, TensorSpec
from freehold.engine.declared import check_declared
from freehold.errors import FreeholdError

X, Y = TensorSpec("x", "FP32", (-1, 16)), TensorSpec("y", "FP32", (-1, 4))
MANIFEST = Manifest(1, "m", "tensor", "tensor", "fp32", (X,), (Y,), MadeBy("file", "", ""), {})


def test_a_free_dimension_suits_every_size() -> None:
    """On either side."""
    check_declared(MANIFEST, (TensorSpec("x", "FP32", (8, -1)),), (Y,))
    check_declared(MANIFEST, (), ())


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ((TensorSpec("z", "FP32", (-1, 16)),), ()),
        ((TensorSpec("x", "INT64", (-1, 16)),), ()),
        ((TensorSpec("x", "FP32", (16,)),), ()),
        ((TensorSpec("x", "FP32", (-1, 17)),), ()),
        ((), (TensorSpec("y", "FP32", (-1, 5)),)),
    ],
)
def test_names_datatypes_and_shapes_must_agree(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
    """Every difference is refused with both sides."""
    with pytest.raises(FreeholdError) as caught:
        check_declared(MANIFEST, inputs, outputs)
    assert caught.value.code == "graph_not_as_declared"


def test_an_undeclared_input_is_refused_where_others_are_declared() -> None:
    """A client that reads the declaration would never send it."""
    two = TensorSpec("mask", "BOOL", (-1,))
    graph = Manifest(1, "m", "tensor", "tensor", "fp32", (X, two), (Y,), MadeBy("file", "", ""), {})
    with pytest.raises(FreeholdError) as caught:
        check_declared(graph, (X,), ())
    assert "mask" in caught.value.cause
