"""One inference of gRPC in the form of REST and back, held against what REST itself reads and writes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import oip
from freehold.protocol.grpc.infer import receive
from freehold.protocol.grpc.messages import message
from freehold.protocol.grpc.rest import from_rest, to_rest
from freehold.protocol.oip_request import InferRequest

REQUEST, ANSWER = message("ModelInferRequest"), message("ModelInferResponse")
X, Y = TensorSpec("x", "FP32", (-1, -1)), TensorSpec("y", "FP32", (-1, -1))


def as_rest_reads(request: Any) -> InferRequest:
    """The request, passed on, as the other server's REST reads it."""
    body, length = to_rest(receive(request.SerializeToString()))
    return oip.parse_infer(body, length, (X,), (Y,))


def tensor(shape: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """The input `x`."""
    return {"name": "x", "datatype": "FP32", "shape": shape, **more}


@given(arrays(np.dtype("<f4"), array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)), st.booleans())
def test_what_is_passed_on_is_what_came(array: np.ndarray[Any, Any], is_raw: bool) -> None:
    """Bit for bit, raw or typed, with id, parameters and outputs; and so is the answer."""
    more = {} if is_raw else {"contents": {"fp32_contents": array.ravel().tolist()}}
    request = REQUEST(model_name="m", id="7", inputs=[tensor(array.shape, **more)], outputs=[{"name": "y"}])
    request.parameters["timeout"].int64_param = 5_000_000
    if is_raw:
        request.raw_input_contents.append(array.tobytes())
    read = as_rest_reads(request)
    assert read.inputs["x"].tobytes() == array.tobytes()
    assert (read.id, read.requested, read.schedule.timeout_s) == ("7", ("y",), 5.0)
    encoded = oip.encode_infer(read, {"y": read.inputs["x"]}, "m", "2")
    answer = ANSWER.FromString(from_rest(encoded.body, encoded.header_length))
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "2", "7")
    assert (answer.outputs[0].datatype, tuple(answer.outputs[0].shape)) == ("FP32", array.shape)
    assert answer.raw_output_contents[0] == array.tobytes()


def test_an_answer_in_json_becomes_raw() -> None:
    """As a server sends it that has no binary tensors; several outputs keep their order."""
    head = b'{"model_name":"m","outputs":[{"name":"a","datatype":"INT8","shape":[2],"data":[1,-1]},'
    body = head + b'{"name":"b","datatype":"BYTES","shape":[1],"parameters":{"k":"v"},"data":["hi"]}]}'
    answer = ANSWER.FromString(from_rest(body, None))
    assert list(answer.raw_output_contents) == [b"\x01\xff", b"\x02\0\0\0hi"]
    assert answer.outputs[1].parameters["k"].string_param == "v"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"detail":"no"}',
        b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP31","shape":[1],"data":[1]}]}',
        b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1]}]}',
        b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}',
    ],
)
def test_what_is_no_answer_is_told(body: bytes) -> None:
    """Each as a ValueError, whatever another server sends."""
    with pytest.raises(ValueError):  # noqa: PT011 - its words are those of the decoder
        from_rest(body, None)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (REQUEST(inputs=[tensor((1, 1))] * 2, raw_input_contents=[b"abcd"]), "raw_count_wrong"),
        (REQUEST(inputs=[tensor((1, 1))], raw_input_contents=[b"abcd"] * 2), "raw_count_wrong"),
        (REQUEST(inputs=[{"name": "x", "datatype": "FP31", "shape": [1]}]), "datatype_wrong"),
    ],
)
def test_tensors_that_cannot_be_told_apart_are_refused(request_: Any, code: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(FreeholdError) as told:
        to_rest(receive(request_.SerializeToString()))
    assert told.value.code == code


def test_shared_memory_is_named_and_not_read() -> None:
    """Whoever computes has it, or says that it has not."""
    request = REQUEST(inputs=[tensor((1, 1), parameters={"shared_memory_region": {"string_param": "r"}})])
    body, length = to_rest(receive(request.SerializeToString()))
    assert length == len(body)
    assert b'"shared_memory_region":"r"' in body
    assert b"binary_data_size" not in body
