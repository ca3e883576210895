"""Tensors of the Open Inference Protocol, there and back."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freehold.errors import FreeholdError
from freehold.protocol.oip_tensors import (
    DATATYPES,
    check_finite,
    element_count,
    from_binary,
    from_json,
    to_binary,
    to_json,
)

IN_JSON = sorted(name for name in DATATYPES if name not in ("FP16", "BF16"))
FIXED = sorted(name for name in DATATYPES if name != "BYTES")
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn, names: list[str]) -> tuple[str, np.ndarray[Any, Any]]:
    name, shape = draw(st.sampled_from(names)), draw(SHAPES)
    if name == "BYTES":
        texts = draw(hnp.arrays(object, shape, elements=st.text().map(str.encode), fill=st.nothing()))
        return name, texts
    dtype = DATATYPES[name].dtype
    elements = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    return name, draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, **elements)))


def raw(values: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(values).encode())


def refusal(name: str, shape: list[int], values: object) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        from_json("x", DATATYPES[name], shape, raw(values))
    return caught.value


def texts_of(array: np.ndarray[Any, Any]) -> object:
    return np.vectorize(bytes.decode, otypes=[object])(array).tolist() if array.size else array.tolist()


@pytest.mark.parametrize("data", [b'["\xff"]', b'[["\xff"]]'], ids=["flat", "nested"])
def test_text_that_is_not_utf_8_is_refused_by_the_name_of_its_input(data: bytes) -> None:
    """What decoded the message around the data did not look into its strings."""
    shape = [1] * data.count(b"[")
    with pytest.raises(FreeholdError, match="json_malformed") as caught:
        from_json("texts", DATATYPES["BYTES"], shape, msgspec.Raw(data))
    assert "'texts' is not UTF-8" in caught.value.cause


@given(tensors(IN_JSON))
def test_flat_and_nested_json_are_the_same_tensor(drawn: tuple[str, np.ndarray[Any, Any]]) -> None:
    """Any datatype and shape, without dimensions and without elements too, reads back equal from both forms."""
    name, array = drawn
    datatype, shape = DATATYPES[name], list(array.shape)
    flat = from_json("x", datatype, shape, raw(to_json("x", datatype, array)))
    nested = from_json("x", datatype, shape, raw(texts_of(array) if name == "BYTES" else array.tolist()))
    for read in (flat, nested):
        assert read.dtype == array.dtype
        assert read.shape == array.shape
        assert np.array_equal(read, array)


@given(tensors([*FIXED, "BYTES"]), st.binary(max_size=9), st.binary(max_size=9))
def test_binary_data_survives_a_round_trip(
    drawn: tuple[str, np.ndarray[Any, Any]], before: bytes, behind: bytes
) -> None:
    """Bytes written for a tensor read back equal and aligned, wherever in a body they lie."""
    name, array = drawn
    datatype = DATATYPES[name]
    data = bytes(to_binary(datatype, array).tobytes())
    read = from_binary("x", datatype, list(array.shape), before + data + behind, len(before), len(data))
    assert read.shape == array.shape
    assert read.flags.aligned
    assert np.array_equal(read, array)


def test_bytes_that_are_no_text_pass_in_binary() -> None:
    """BYTES is not text: any byte survives."""
    array = np.array([b"\xff\x00z", b""], object)
    data = to_binary(DATATYPES["BYTES"], array).tobytes()
    assert data == b"\x03\x00\x00\x00\xff\x00z\x00\x00\x00\x00"
    assert from_binary("x", DATATYPES["BYTES"], [2], data, 0, len(data)).tolist() == [b"\xff\x00z", b""]
    with pytest.raises(FreeholdError, match="output_not_text"):
        to_json("y", DATATYPES["BYTES"], array)


@pytest.mark.parametrize(
    ("data", "count", "code"),
    [
        (b"\1\0\0\0a", 2, "element_count_wrong"),
        (b"\1\0\0\0a" * 3, 2, "element_count_wrong"),
        (b"\1\0\0\0a", 0, "element_count_wrong"),
        (b"\1\0\0\0a\0\0", 2, "bytes_malformed"),
        (b"\2\0\0\0a", 1, "bytes_malformed"),
        (b"\1\0\0\0a\xff\xff\xff\xffbc", 2, "bytes_malformed"),
    ],
)
def test_bytes_whose_lengths_do_not_add_up_are_refused(data: bytes, count: int, code: str) -> None:
    """Too few or too many elements, and one that reaches, were it by 4 GB, into what lies behind the tensor."""
    body = b"before" + data + b"behind" * 4
    with pytest.raises(FreeholdError, match=code):
        from_binary("x", DATATYPES["BYTES"], [count], body, 6, len(data))


@pytest.mark.parametrize("name", ["FP16", "BF16"])
def test_half_precision_is_refused_in_json(name: str) -> None:
    """The two-byte floats have no JSON form; the text names the binary one."""
    error = refusal(name, [1], [1.0])
    assert error.code == "half_in_json"
    assert "binary_data_size" in error.fix


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("BOOL", [1, 0]),
        ("BOOL", ["true", "false"]),
        ("INT32", [1, 2.5]),
        ("INT32", [1, 2.0]),
        ("INT64", [1, True]),
        ("FP32", [1, True]),
        ("FP32", [1, "2"]),
        ("FP32", [1, None]),
        ("BYTES", ["a", 1]),
        ("FP32", "12"),
        ("FP32", {"a": 1}),
    ],
)
def test_values_of_another_type_are_refused(name: str, values: object) -> None:
    """Nothing is converted in silence: not 1 to true, not 2.0 to 2, not "2" to a number."""
    assert refusal(name, [2], values).code == "value_invalid"


@pytest.mark.parametrize(
    ("name", "value", "low", "high"),
    [
        ("INT8", 300, "-128", "127"),
        ("INT8", -129, "-128", "127"),
        ("UINT8", -1, "0", "255"),
        ("UINT16", 2**16, "0", "65535"),
        ("INT64", 2**63, "-9223372036854775808", "9223372036854775807"),
        ("UINT64", 2**64, "0", "18446744073709551615"),
        ("FP32", 1e39, "-3.40282347e+38", "3.40282347e+38"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(name: str, value: float, low: str, high: str) -> None:
    """Out of range is an error with the element, the value and both bounds; nothing wraps around."""
    error = refusal(name, [3], [0, 1, value])
    assert error.code == "value_out_of_range"
    assert error.details["index"] == 2
    assert f"{low} to {high}" in error.cause


def test_a_number_beyond_double_is_refused() -> None:
    """1e400 is no FP64."""
    with pytest.raises(FreeholdError, match="value_invalid"):
        from_json("x", DATATYPES["FP64"], [1], msgspec.Raw(b"[1e400]"))


def test_the_largest_numbers_fit() -> None:
    """The ends of the ranges are inside."""
    read = from_json("x", DATATYPES["UINT64"], [2], raw([0, 2**64 - 1]))
    assert read.tolist() == [0, 2**64 - 1]
    assert from_json("x", DATATYPES["INT8"], [2], raw([-128, 127])).tolist() == [-128, 127]


@pytest.mark.parametrize(
    ("shape", "values", "code"),
    [
        ([3], [1.0, 2.0], "element_count_wrong"),
        ([1, 3], [1.0, 2.0], "element_count_wrong"),
        ([0], [1.0], "element_count_wrong"),
        ([2, 2], [[1.0, 2.0], [3.0]], "nested_shape_wrong"),
        ([2, 2], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "nested_shape_wrong"),
        ([2, 2], [[[1.0], [2.0]], [[3.0], [4.0]]], "value_invalid"),
        ([2, 2, 1], [[1.0, 2.0], [3.0, 4.0]], "value_invalid"),
        ([2], [[1.0, 2.0]], "value_invalid"),
        ([-1], [1.0], "shape_invalid"),
        ([2**62, 4], [1.0], "shape_invalid"),
        ([0, 2**62, 2**62], [], "shape_invalid"),
        ([10**30], [], "shape_invalid"),
    ],
)
def test_data_and_shape_must_agree(shape: list[int], values: object, code: str) -> None:
    """Too few values, uneven lists, wrong depth, negative and impossible sizes each have their own error."""
    assert refusal("FP32", shape, values).code == code


def test_a_tensor_without_dimensions_takes_a_lone_value_or_a_list_of_one() -> None:
    """Shape [] is one element: `5` and `[5]` both say so."""
    for values in (5, [5]):
        read = from_json("x", DATATYPES["INT32"], [], raw(values))
        assert read.shape == ()
        assert int(read) == 5
    assert refusal("INT32", [], [5, 6]).code == "element_count_wrong"


@pytest.mark.parametrize("size", [0, 11, 13])
def test_binary_data_of_another_size_names_both(size: int) -> None:
    """The bytes must be what datatype and shape need."""
    with pytest.raises(FreeholdError) as caught:
        from_binary("x", DATATYPES["FP32"], [1, 3], bytes(size), 0, size)
    assert caught.value.code == "binary_size_wrong"
    assert f"has {size} bytes" in caught.value.cause
    assert "takes 12" in caught.value.cause


@pytest.mark.parametrize("data", [b"\x05\x00\x00\x00ab", b"\x01\x00", b"\x01\x00\x00\x00a\x00"])
def test_bytes_elements_that_reach_too_far_are_refused(data: bytes) -> None:
    """A length that points beyond the tensor, or half a length, is an error."""
    with pytest.raises(FreeholdError, match="bytes_malformed"):
        from_binary("x", DATATYPES["BYTES"], [1], data, 0, len(data))


def test_bytes_elements_must_be_as_many_as_the_shape_says() -> None:
    """One element for shape [2] is one too few, and a shape of any size costs no memory."""
    for shape in ([2], [0], [2**59]):
        with pytest.raises(FreeholdError, match="element_count_wrong"):
            from_binary("x", DATATYPES["BYTES"], shape, b"\x01\x00\x00\x00a", 0, 5)


def test_a_bool_byte_is_zero_or_one() -> None:
    """A byte of 2 is no truth value."""
    assert from_binary("x", DATATYPES["BOOL"], [2], b"\x00\x01", 0, 2).tolist() == [False, True]
    with pytest.raises(FreeholdError, match="value_invalid"):
        from_binary("x", DATATYPES["BOOL"], [2], b"\x00\x02", 0, 2)


def test_numbers_without_a_json_form_are_found_by_place() -> None:
    """NaN and infinity in an output are counted and the first is located."""
    array = np.zeros((2, 3), np.float32)
    check_finite("y", array)
    array[0, 2], array[1, 1] = np.inf, np.nan
    with pytest.raises(FreeholdError) as caught:
        check_finite("y", array)
    assert caught.value.cause == "Output 'y' holds 2 values that JSON cannot carry, the first at [0, 2]: inf."


@given(st.lists(st.integers(-3, 2**70), max_size=5))
def test_element_counts_never_overflow(shape: list[int]) -> None:
    """The count is exact or refused, whatever the dimensions."""
    with suppress(FreeholdError):
        assert element_count("x", shape, DATATYPES["FP64"]) * 8 < 2**63


@given(st.sampled_from(sorted(DATATYPES)), st.lists(st.integers(0, 4), max_size=3), st.binary(max_size=64))
def test_any_bytes_are_a_tensor_or_a_freehold_error(name: str, shape: list[int], data: bytes) -> None:
    """Arbitrary binary data never raises anything else."""
    with suppress(FreeholdError):
        assert list(from_binary("x", DATATYPES[name], shape, data, 0, len(data)).shape) == shape
