"""What is asked of an inference, whatever carries it."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol.oip_request import (
    OutputWanted,
    Schedule,
    all_outputs,
    check_complete,
    check_input,
    declared_input,
    flag,
    schedule,
    wanted_outputs,
    whole,
)

X = TensorSpec("x", "FP32", (-1, 3))
Y = TensorSpec("y", "FP32", (-1, 2))
H = TensorSpec("h", "BF16", (-1,))
S = TensorSpec("s", "BYTES", (-1,))


def test_an_input_has_the_type_and_the_shape_of_the_model() -> None:
    """A free dimension takes any size, all others their own."""
    assert check_input(X, "FP32", [0, 3]).name == "FP32"
    with pytest.raises(FreeholdError, match="datatype_wrong"):
        check_input(X, "FP64", [1, 3])
    for shape in ([1, 4], [3], [1, 3, 1], [], [1, -1]):
        with pytest.raises(FreeholdError, match="shape_wrong"):
            check_input(X, "FP32", shape)


def test_every_input_is_known_and_comes_once() -> None:
    """Another name, the same one twice, and one too few are told."""
    declared, given_once = {"x": X}, {"x": np.zeros((1, 3), np.float32)}
    assert declared_input("x", declared, {}) is X
    check_complete(declared, given_once)
    for code, call in (
        ("input_unknown", lambda: declared_input("z", declared, {})),
        ("input_duplicate", lambda: declared_input("x", declared, given_once)),
        ("input_missing", lambda: check_complete(declared, {})),
    ):
        with pytest.raises(FreeholdError, match=code):
            call()


def test_outputs_come_in_the_order_of_the_request_and_each_in_its_form() -> None:
    """The flag of an output goes before that of the request."""
    asked = [("h", {"binary_data": True}), ("y", {})]
    assert wanted_outputs((Y, H), asked, binary=False) == (
        OutputWanted("h", "BF16", True),
        OutputWanted("y", "FP32", False),
    )
    assert all_outputs((Y, H), binary=True) == (OutputWanted("y", "FP32", True), OutputWanted("h", "BF16", True))


def test_the_best_values_are_asked_for_by_their_number() -> None:
    """They come as BYTES; 0 is the output itself, and half precision in JSON is no matter then."""
    half = TensorSpec("h", "FP16", (-1,))
    asked = [("y", {"classification": 2}), ("h", {"classification": 1})]
    assert wanted_outputs((Y, half), asked, binary=False) == (
        OutputWanted("y", "BYTES", False, 2),
        OutputWanted("h", "BYTES", False, 1),
    )
    assert wanted_outputs((Y,), [("y", {"classification": 0})], binary=True) == (OutputWanted("y", "FP32", True),)


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("z", {}, "output_unknown"),
        ("y", {"binary_data": 1}, "parameter_invalid"),
        ("y", {"classification": -1}, "parameter_invalid"),
        ("y", {"classification": True}, "parameter_invalid"),
        ("y", {"classification": 2.0}, "parameter_invalid"),
        ("s", {"classification": 1}, "classes_unordered"),
        ("h", {"classification": 1}, "classes_unordered"),
        ("h", {}, "half_out_json"),
    ],
)
def test_outputs_that_cannot_be_are_refused(name: str, parameters: dict[str, str | float], code: str) -> None:
    """Before the model runs."""
    with pytest.raises(FreeholdError, match=code):
        wanted_outputs((Y, S, H), [(name, parameters)], binary=False)


def test_an_output_is_wanted_once() -> None:
    """Asked for twice it would not be clear in which form."""
    with pytest.raises(FreeholdError, match="output_duplicate"):
        wanted_outputs((Y,), [("y", {}), ("y", {})], binary=True)


def test_a_timeout_is_in_microseconds_and_a_second_priority_waits() -> None:
    """As Triton's clients send them; 0 is none, and other parameters say nothing of when."""
    assert schedule({"timeout": 1_500_000, "priority": 1, "sequence_id": 7}) == Schedule(1.5)
    assert schedule({"timeout": 0, "priority": 0}) == schedule({"any": "thing"}) == schedule({}) == Schedule(None)
    assert schedule({"priority": 2}) == schedule({"priority": 2**63 - 1}) == Schedule(None, later=True)


@pytest.mark.parametrize("value", [-1, 1.5, "1", True, 2**63])
@pytest.mark.parametrize("name", ["timeout", "priority"])
def test_what_is_no_whole_number_is_no_timeout_and_no_priority(name: str, value: str | float) -> None:
    """The error names the parameter."""
    with pytest.raises(FreeholdError, match="parameter_invalid") as caught:
        schedule({name: value})
    assert caught.value.details["parameter"] == name


PARAMETERS = st.dictionaries(
    st.sampled_from(["timeout", "priority", "classification", "binary_data", "other"]),
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
)


@given(PARAMETERS)
def test_any_parameters_are_read_or_refused(parameters: dict[str, str | float]) -> None:
    """Never another exception."""
    for read in (
        lambda: schedule(parameters),
        lambda: flag(parameters, "binary_data", False),
        lambda: whole(parameters, "classification"),
        lambda: wanted_outputs((Y,), [("y", parameters)], binary=True),
    ):
        with suppress(FreeholdError):
            read()
