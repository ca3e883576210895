"""Which tensor is which."""

import numpy as np

from freehold.adapt.alignment import Computed, pairs
from freehold.adapt.exposed import Node

RNG = np.random.default_rng(3)
VALUES = [RNG.standard_normal((2, 4)).astype(np.float32) for _ in range(6)]


def computed(name: str, op: str, values: np.ndarray, *weights: str) -> Computed:
    return Computed(name, Node(op, f"/{name}", weights, (name,), weights, {}), values)


def matched(ours: list[Computed], theirs: list[Computed]) -> dict[str, str]:
    return {pair.ours.name: pair.theirs.name for pair in pairs(ours, theirs)}


def test_names_are_trusted_where_the_values_agree() -> None:
    """A copy of a graph has each tensor under its name."""
    ours = [computed(str(place), "Add", values) for place, values in enumerate(VALUES)]
    assert matched(ours, list(ours)) == {str(place): str(place) for place in range(6)}


def test_numbered_names_that_have_moved_do_not_mislead() -> None:
    """Another writer counts otherwise: `Gemm_1` of the one is `Gemm_2` of the other, and values tell."""
    ours = [computed(f"Gemm_{place}", "Gemm", VALUES[place]) for place in range(4)]
    theirs = [computed(f"Gemm_{place + 1}", "Gemm", VALUES[place]) for place in range(4)]
    assert matched(ours, theirs) == {f"Gemm_{place}": f"Gemm_{place + 1}" for place in range(4)}


def test_what_was_fused_away_has_no_counterpart() -> None:
    """The tensors around it have theirs."""
    ours = [computed(name, "Add", VALUES[place]) for place, name in enumerate("abcd")]
    theirs = [computed(name, "Fused", VALUES[place]) for place, name in ((0, "p"), (3, "q"))]
    assert matched(ours, theirs) == {"a": "p", "d": "q"}


def test_a_tensor_that_differs_is_found_by_its_name_else_by_its_place() -> None:
    """By name although a node of quantization made it; by operator and shape between two that agree."""
    wrong = VALUES[1] + 1
    ours = [computed(name, op, VALUES[place]) for place, (name, op) in enumerate([("a", "Add"), ("b", "Gemm")])]
    quantized = [computed("a", "Add", VALUES[0]), computed("b", "Mul", wrong)]
    assert matched(ours, quantized) == {"a": "a", "b": "b"}
    renamed = [computed("p", "Add", VALUES[0]), computed("q", "Mul", VALUES[4]), computed("r", "Gemm", wrong)]
    assert matched(ours, renamed) == {"a": "p", "b": "r"}


def test_places_that_cross_an_agreement_are_no_counterparts() -> None:
    """What comes before a tensor in one graph cannot come after it in the other."""
    ours = [computed("a", "Gemm", VALUES[0]), computed("b", "Add", VALUES[1])]
    theirs = [computed("p", "Add", VALUES[1]), computed("q", "Gemm", VALUES[2])]
    assert matched(ours, theirs) == {"b": "p"}


def test_products_with_the_same_weight_are_one_although_all_else_differs() -> None:
    """Quantized, it has a longer name; a table that several nodes read says nothing."""
    ours = [computed("a", "Gemm", VALUES[0], "layer.up.weight", "table"), computed("b", "Gemm", VALUES[1], "table")]
    theirs = [
        computed("p", "MatMulNBits", VALUES[2], "table"),
        computed("q", "MatMulNBits", VALUES[3], "layer.up.weight.q8b32", "table"),
        computed("r", "MatMulNBits", VALUES[4], "layer.up.weights"),
    ]
    assert matched(ours, theirs) == {"a": "q"}
