"""Infer requests and answers of the Open Inference Protocol."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import oip
from freehold.protocol.oip import InferRequest, encode_infer, parse_infer
from freehold.protocol.oip_request import OutputWanted

X = TensorSpec("x", "FP32", (-1, 3))
Y = TensorSpec("y", "FP32", (-1, 2))
N = TensorSpec("n", "INT64", (2,))
S = TensorSpec("s", "BYTES", (-1,))
H = TensorSpec("h", "FP16", (-1,))
ROW = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
BINARY_ROW = {"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}
FLOATS = np.array([[1, 2, 3]], np.float32)

Json = dict[str, Any]


def parse(
    message: object,
    tail: bytes | None = None,
    inputs: tuple[TensorSpec, ...] = (X,),
    outputs: tuple[TensorSpec, ...] = (Y,),
) -> InferRequest:
    """Parse a JSON message, followed by binary data when `tail` is given."""
    head = json.dumps(message).encode()
    return parse_infer(head + (tail or b""), None if tail is None else len(head), inputs, outputs)


def refusal(message: object, tail: bytes | None = None, **specs: tuple[TensorSpec, ...]) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        parse(message, tail, **specs)
    return caught.value


def test_a_json_request_becomes_arrays() -> None:
    """Flat and nested data, id and parameters arrive; without `outputs` all are wanted."""
    for data in ([1, 2, 3], [[1, 2, 3]]):
        request = parse({"id": "7", "parameters": {"priority": 1}, "inputs": [ROW | {"data": data}]})
        assert np.array_equal(request.inputs["x"], FLOATS)
        assert request.inputs["x"].dtype == np.float32
        assert (request.id, request.parameters) == ("7", {"priority": 1})
        assert request.outputs == (OutputWanted("y", "FP32", False),)
        assert request.requested == ()


def test_unknown_fields_are_ignored() -> None:
    """Clients of other servers send more than the protocol has."""
    assert parse({"inputs": [ROW | {"layout": "NC"}], "model": "m", "more": [[[1]]]}).inputs["x"].shape == (1, 3)


def test_what_is_null_is_left_out() -> None:
    """Types of other servers (MLServer's) write out what is empty, for a parameter or for all of them."""
    x = ROW | {"data": [[1, 2, 3]], "parameters": {"content_type": "np", "headers": None}}
    for parameters in (None, {"binary_data_output": None, "priority": None, "timeout": None}):
        message = {"id": None, "parameters": parameters, "outputs": [{"name": "y", "parameters": None}]}
        request = parse({"inputs": [x | {"parameters": parameters}], **message})
        assert (request.id, request.parameters, request.outputs[0].binary) == (None, {}, False)
    assert parse({"inputs": [x], "outputs": None}).requested == ()


def test_binary_and_json_inputs_mix() -> None:
    """Binary tensors lie behind the JSON in the order of the inputs, JSON data between them."""
    message = {
        "inputs": [
            {"name": "s", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 10}},
            {"name": "n", "shape": [2], "datatype": "INT64", "data": [5, 6]},
            BINARY_ROW,
        ]
    }
    request = parse(message, b"\x02\0\0\0\xff\x00\0\0\0\0" + FLOATS.tobytes(), inputs=(X, N, S))
    assert request.inputs["s"].tolist() == [b"\xff\x00", b""]
    assert request.inputs["n"].tolist() == [5, 6]
    assert np.array_equal(request.inputs["x"], FLOATS)


def test_half_precision_passes_in_binary() -> None:
    """FP16 travels as its two bytes, both ways."""
    message = {
        "inputs": [{"name": "h", "shape": [2], "datatype": "FP16", "parameters": {"binary_data_size": 4}}],
        "parameters": {"binary_data_output": True},
    }
    request = parse(message, np.array([1.5, -2], "<f2").tobytes(), inputs=(H,), outputs=(H,))
    assert request.inputs["h"].tolist() == [1.5, -2]
    encoded = encode_infer(request, {"h": request.inputs["h"]}, "m", "1")
    assert encoded.body.endswith(b"\x00\x3e\x00\xc0")


def test_a_tensor_without_elements_is_a_tensor() -> None:
    """Zero-size data pass in both forms; in binary the header then spans the whole body."""
    empty = {"name": "x", "shape": [0, 3], "datatype": "FP32"}
    assert parse({"inputs": [empty | {"data": []}]}).inputs["x"].shape == (0, 3)
    request = parse({"inputs": [empty | {"parameters": {"binary_data_size": 0}}]}, b"")
    assert request.inputs["x"].shape == (0, 3)


def test_a_raw_request_is_one_tensor() -> None:
    """Header value 0: the body is the only input's bytes, the free dimension follows, all outputs come in binary."""
    request = parse_infer(np.arange(6, dtype="<f4").tobytes(), 0, (X,), (Y,))
    assert request.inputs["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert request.outputs == (OutputWanted("y", "FP32", True),)


def test_a_raw_request_takes_the_first_of_two_free_dimensions_as_a_batch_of_one() -> None:
    """With a batch and one more free dimension, the length decides the second."""
    spec = TensorSpec("x", "UINT8", (-1, -1))
    assert parse_infer(b"abc", 0, (spec,), (Y,)).inputs["x"].tolist() == [[97, 98, 99]]


def test_a_raw_request_of_bytes_is_one_element() -> None:
    """The whole body is the text; it carries no length of its own."""
    assert parse_infer(b"\x01\x00\x00\x00ab", 0, (S,), (Y,)).inputs["s"].tolist() == [b"\x01\x00\x00\x00ab"]


@pytest.mark.parametrize(
    ("body", "inputs", "code"),
    [
        (b"abc", (X,), "binary_size_wrong"),
        (b"", (TensorSpec("x", "FP32", (3,)),), "binary_size_wrong"),
        (bytes(12), (X, N), "raw_needs_one_input"),
        (bytes(12), (TensorSpec("x", "FP32", (1, -1, -1)),), "raw_shape_open"),
        (b"text", (TensorSpec("s", "BYTES", (2,)),), "raw_shape_open"),
    ],
)
def test_a_raw_request_that_leaves_the_shape_open_is_refused(
    body: bytes, inputs: tuple[TensorSpec, ...], code: str
) -> None:
    """Several inputs, several free dimensions or a broken row cannot be guessed."""
    with pytest.raises(FreeholdError, match=code):
        parse_infer(body, 0, inputs, (Y,))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "z"}, "input_unknown"),
        ({"datatype": "FP64"}, "datatype_wrong"),
        ({"datatype": "fp32"}, "datatype_wrong"),
        ({"shape": [3]}, "shape_wrong"),
        ({"shape": [1, 4]}, "shape_wrong"),
        ({"shape": [1, -3]}, "shape_wrong"),
        ({"shape": [-1, 3]}, "shape_invalid"),
        ({"shape": [2, 3]}, "element_count_wrong"),
        ({"shape": "13"}, "request_invalid"),
        ({"data": ["a", 2, 3]}, "value_invalid"),
        ({"data": None}, "value_invalid"),
        ({"parameters": {"binary_data_size": 12}}, "data_twice"),
        ({"parameters": {"binary_data_size": -1}}, "parameter_invalid"),
        ({"parameters": {"binary_data_size": True}}, "parameter_invalid"),
        ({"parameters": {"binary_data_size": "12"}}, "parameter_invalid"),
        ({"parameters": {"a": {"b": 1}}}, "request_invalid"),
    ],
)
def test_a_wrong_input_has_its_own_error(change: Json, code: str) -> None:
    """Each mistake in one input is told by its own code."""
    assert refusal({"inputs": [ROW | change]}).code == code


def test_a_wrong_shape_prints_both() -> None:
    """The client's shape and the model's stand side by side."""
    error = refusal({"inputs": [ROW | {"shape": [1, 4], "data": [1, 2, 3, 4]}]})
    assert error.cause == "Input 'x' has shape [1, 4]; the model takes [-1, 3] (-1 is free)."


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, "request_invalid"),
        ([], "request_invalid"),
        ({"inputs": {}}, "request_invalid"),
        ({"inputs": []}, "input_missing"),
        ({"inputs": [ROW, ROW]}, "input_duplicate"),
        ({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32"}]}, "data_missing"),
        ({"inputs": [BINARY_ROW]}, "header_length_missing"),
        ({"inputs": [ROW], "outputs": [{"name": "z"}]}, "output_unknown"),
        ({"inputs": [ROW], "outputs": [{"name": "y"}, {"name": "y"}]}, "output_duplicate"),
        ({"inputs": [ROW], "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "parameter_invalid"),
        ({"inputs": [ROW], "parameters": {"binary_data_output": "true"}}, "parameter_invalid"),
        ({"inputs": [ROW], "id": 7}, "request_invalid"),
    ],
)
def test_a_wrong_request_has_its_own_error(message: object, code: str) -> None:
    """Each mistake of the whole is told by its own code."""
    assert refusal(message).code == code


def test_a_missing_input_is_named() -> None:
    """The names that are missing stand in the text."""
    assert "['n']" in refusal({"inputs": [ROW]}, inputs=(X, N)).cause


@pytest.mark.parametrize(
    ("tail", "code"), [(bytes(11), "binary_short"), (b"", "binary_short"), (bytes(13), "binary_extra")]
)
def test_binary_data_must_be_all_there_and_no_more(tail: bytes, code: str) -> None:
    """Short bytes and leftover bytes are errors."""
    assert refusal({"inputs": [BINARY_ROW]}, tail).code == code


def test_a_binary_size_that_does_not_fit_the_shape_is_refused() -> None:
    """The announced size must be what datatype and shape need."""
    row = BINARY_ROW | {"parameters": {"binary_data_size": 8}}
    assert refusal({"inputs": [row]}, bytes(8)).code == "binary_size_wrong"


@pytest.mark.parametrize("value", [b"", b"-1", b"x", b"1.5", b"+1", b"9" * 40, b"\xb2"])
def test_a_header_that_is_no_length_is_refused(value: bytes) -> None:
    """`Inference-Header-Content-Length` is digits; what else comes is a clean error."""
    with pytest.raises(FreeholdError, match="header_length_invalid"):
        oip.parse_header_length(value)


def test_a_header_beyond_the_body_is_refused() -> None:
    """The JSON cannot be longer than the body."""
    assert oip.parse_header_length(None) is None
    assert oip.parse_header_length(b"12") == 12
    with pytest.raises(FreeholdError, match="between 0 and 2"):
        parse_infer(b"{}", 3, (X,), (Y,))


def test_not_a_number_in_json_is_a_clean_error() -> None:
    """Bare NaN, which tritonclient writes for JSON inputs, is no JSON; the text says how to send it."""
    body = json.dumps({"inputs": [ROW | {"data": [float("nan"), 1, 2]}]}).encode()
    with pytest.raises(FreeholdError, match="json_not_finite"):
        parse_infer(body, None, (X,), (Y,))


def test_nesting_too_deep_is_refused_before_it_is_read() -> None:
    """Deep brackets in `data` or in an unknown field are refused, also for a model of floats alone."""
    deep = b"[" * 101 + b"1" + b"]" * 101
    for body in (
        b'{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": %s}]}' % deep,
        b'{"more": %s, "inputs": []}' % deep,
    ):
        with pytest.raises(FreeholdError, match="json_too_deep"):
            parse_infer(body, None, (X,), (Y,))


def answer_of(
    message: Json, outputs: dict[str, np.ndarray[Any, Any]], specs: tuple[TensorSpec, ...] = (Y,)
) -> oip.Encoded:
    return encode_infer(parse({"inputs": [ROW]} | message, outputs=specs), outputs, "m", "1")


def test_a_json_answer_echoes_the_id() -> None:
    """Name, version, id and flat data, row-major."""
    encoded = answer_of({"id": "q"}, {"y": np.array([[1, 2], [3, 4]], np.float32)})
    assert json.loads(encoded.body) == {
        "model_name": "m",
        "model_version": "1",
        "id": "q",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}],
    }
    assert (encoded.content_type, encoded.header_length) == (b"application/json", None)
    assert oip.header_length(encoded) == ()


def test_no_id_is_echoed_where_none_was_given() -> None:
    """Without an id and a version the answer has neither."""
    encoded = encode_infer(parse({"inputs": [ROW]}), {"y": np.zeros((1, 2), np.float32)}, "m", None)
    assert sorted(json.loads(encoded.body)) == ["model_name", "outputs"]


def test_the_flag_of_an_output_wins_over_that_of_the_request() -> None:
    """Binary by default and JSON by its own flag, in one answer, in the order asked for."""
    message = {
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "s"}, {"name": "n", "parameters": {"binary_data": False}}, {"name": "y"}],
    }
    y, n, s = np.array([[1, 2]], np.float32), np.array([5, 6]), np.array(["ab"], object)
    request = parse({"inputs": [ROW]} | message, outputs=(Y, N, S))
    assert request.requested == ("s", "n", "y")
    encoded = encode_infer(request, {"y": y, "n": n, "s": s}, "m", "1")
    assert encoded.content_type == b"application/octet-stream"
    assert oip.header_length(encoded) == ((b"inference-header-content-length", b"%d" % (encoded.header_length or 0)),)
    head = json.loads(encoded.body[: encoded.header_length])
    assert head["outputs"] == [
        {"name": "s", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}},
        {"name": "n", "datatype": "INT64", "shape": [2], "data": [5, 6]},
        {"name": "y", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
    ]
    assert encoded.body[encoded.header_length :] == b"\x02\0\0\0ab" + y.tobytes()


def test_outputs_that_are_not_contiguous_or_empty_are_written_in_order() -> None:
    """A transposed view is row-major on the wire, and an empty output has no bytes."""
    request = parse({"inputs": [ROW], "parameters": {"binary_data_output": True}})
    turned = np.arange(4, dtype=np.float32).reshape(2, 2).T
    encoded = encode_infer(request, {"y": turned}, "m", None)
    assert np.frombuffer(encoded.body[encoded.header_length :], "<f4").tolist() == [0, 2, 1, 3]
    encoded = encode_infer(request, {"y": np.zeros((0, 2), np.float32)}, "m", None)
    assert len(encoded.body) == encoded.header_length


def test_not_a_number_in_an_output_is_refused_in_json_and_passes_in_binary() -> None:
    """JSON has no NaN and null would hide which value it was: the error names the binary way, which carries it."""
    outputs = {"y": np.array([[1, np.nan]], np.float32)}
    with pytest.raises(FreeholdError, match="output_not_finite"):
        answer_of({}, outputs)
    encoded = answer_of({"parameters": {"binary_data_output": True}}, outputs)
    assert np.isnan(np.frombuffer(encoded.body[encoded.header_length :], "<f4")[1])


def test_the_word_null_in_a_name_is_no_missing_number() -> None:
    """The search for NaN is not misled by names."""
    encoded = answer_of({"id": "null"}, {"y": np.ones((1, 2), np.float32)})
    assert json.loads(encoded.body)["id"] == "null"


def test_bytes_in_json_answers_must_be_text() -> None:
    """UTF-8 comes as a string, anything else names the binary way."""
    encoded = answer_of({}, {"s": np.array([b"\xe4\xbd\xa0", "b"], object)}, (S,))
    assert json.loads(encoded.body)["outputs"][0]["data"] == ["你", "b"]
    with pytest.raises(FreeholdError, match="output_not_text"):
        answer_of({}, {"s": np.array([b"\xff"], object)}, (S,))


def test_half_precision_outputs_are_refused_before_the_model_runs() -> None:
    """A JSON answer with an FP16 output cannot be: the request already says so."""
    assert refusal({"inputs": [ROW]}, outputs=(H,)).code == "half_out_json"


NAMES = st.sampled_from(["x", "n", "s", "z"])
PARAMETERS = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "binary_data_output", "other"]),
    st.booleans() | st.integers(-1, 20) | st.text(max_size=2),
    max_size=2,
)
DATA = st.recursive(
    st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=2) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)
INPUT = st.fixed_dictionaries(
    {
        "name": NAMES,
        "shape": st.lists(st.integers(-1, 4), max_size=3),
        "datatype": st.sampled_from(["FP32", "INT64", "BYTES", "FP16"]),
    },
    optional={"data": DATA, "parameters": PARAMETERS},
)
MESSAGE = st.fixed_dictionaries(
    {"inputs": st.lists(INPUT, max_size=3)},
    optional={
        "id": st.text(max_size=3),
        "parameters": PARAMETERS,
        "outputs": st.lists(st.fixed_dictionaries({"name": NAMES}, optional={"parameters": PARAMETERS}), max_size=2),
    },
)


@given(MESSAGE, st.none() | st.binary(max_size=40))
def test_almost_right_requests_are_read_or_refused(message: Json, tail: bytes | None) -> None:
    """Whatever is wrong in a request of the right outline, the error is ours; what is read has the model's shapes."""
    with suppress(FreeholdError):
        request = parse(message, tail, inputs=(X, N, S), outputs=(Y, N))
        assert [array.ndim for array in request.inputs.values()] == [
            {"x": 2, "n": 1, "s": 1}[name] for name in request.inputs
        ]


@given(st.binary(max_size=200), st.none() | st.integers(0, 250))
def test_any_bytes_are_refused_or_read(body: bytes, header_length: int | None) -> None:
    """Arbitrary bodies with arbitrary header values never raise anything but a FreeholdError."""
    with suppress(FreeholdError):
        parse_infer(body, header_length, (X,), (Y,))
