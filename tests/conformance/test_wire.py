"""Facts of the wire, one by one: what clients really send, byte by byte, and what they need to get back."""

import gzip
import json
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from tests.conformance.calls import proves
from tests.conformance.wire import Address, binary, exchange, infer, tensor

ROW = np.array([[1.5, -2, 3]], "<f4")
JSON_ROW = tensor("x", "FP32", [1, 3], data=[1.5, -2, 3])
BINARY_ROW = tensor("x", "FP32", [1, 3], parameters=binary(12))


@proves("infer")
@pytest.mark.parametrize(
    "content_type", [(), ("Content-Type: text/plain",), ("Content-Type: application/octet-stream",)]
)
def test_what_a_body_is_does_not_hang_on_its_content_type(address: Address, content_type: tuple[str, ...]) -> None:
    """Triton's client sends none; without the header of the extension a body is JSON."""
    answer = infer(address, "row", {"inputs": [JSON_ROW]}, b"", *content_type)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [1.5, -2, 3]}]


@proves("infer binary")
@pytest.mark.parametrize("content_type", [(), ("Content-Type: application/json",)])
def test_the_header_of_the_extension_says_where_bytes_begin(address: Address, content_type: tuple[str, ...]) -> None:
    """It decides alone, and outputs come as JSON where nobody asked for bytes."""
    answer = infer(address, "row", {"inputs": [BINARY_ROW]}, ROW.tobytes(), *content_type)
    assert answer.json()["outputs"][0]["data"] == [1.5, -2, 3]


@proves("infer binary")
def test_an_answer_with_bytes_says_so(address: Address) -> None:
    """Content-Type, the header with the length of its JSON, and the size of each output."""
    message = {"inputs": [BINARY_ROW], "parameters": {"binary_data_output": True}, "id": "7"}
    answer = infer(address, "row", message, ROW.tobytes())
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.json()["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [1, 3], "parameters": {"binary_data_size": 12}}
    ]
    assert (answer.json()["id"], answer.json()["model_name"], answer.json()["model_version"]) == ("7", "row", "1")
    assert answer.tail() == ROW.tobytes()


@proves("infer binary")
def test_the_flag_of_an_output_goes_before_the_requests(address: Address) -> None:
    """Of two outputs one comes as bytes and one as JSON; the order is that of the request."""
    four = [1.0, 2.0, 3.0, 4.0]
    message = {
        "inputs": [tensor("b", "FP32", [1, 4], data=four), tensor("a", "FP32", [1, 4], parameters=binary(16))],
        "outputs": [{"name": "difference", "parameters": {"binary_data": False}}, {"name": "sum"}],
        "parameters": {"binary_data_output": True},
    }
    answer = infer(address, "pair", message, np.array(four, "<f4").tobytes())
    difference, total = answer.json()["outputs"]
    assert (difference["name"], difference["data"]) == ("difference", [0, 0, 0, 0])
    assert (total["name"], total["parameters"]) == ("sum", {"binary_data_size": 16})
    assert np.frombuffer(answer.tail(), "<f4").tolist() == [2, 4, 6, 8]


@proves("infer binary")
def test_bytes_lie_in_the_order_of_the_inputs(address: Address) -> None:
    """Whatever the order in which the model names them."""
    a, b = np.full((1, 4), 5, "<f4"), np.full((1, 4), 3, "<f4")
    inputs = [tensor("b", "FP32", [1, 4], parameters=binary(16)), tensor("a", "FP32", [1, 4], parameters=binary(16))]
    answer = infer(address, "pair", {"inputs": inputs}, b.tobytes() + a.tobytes())
    assert [output["data"][0] for output in answer.json()["outputs"]] == [8, 2]


@proves("infer raw")
def test_a_header_of_0_makes_the_whole_body_the_tensor(address: Address) -> None:
    """Its one free dimension follows from the size, and all outputs come as bytes."""
    values = np.arange(6, dtype="<f4")
    answer = exchange(address, "POST /v2/models/row/infer", values.tobytes(), "Inference-Header-Content-Length: 0")
    assert answer.json()["outputs"][0]["shape"] == [2, 3]
    assert answer.tail() == values.tobytes()
    cut = exchange(address, "POST /v2/models/row/infer", values.tobytes()[:5], "Inference-Header-Content-Length: 0")
    assert (cut.status, "has 5 bytes; FP32 of shape [1, 3] takes 12" in cut.json()["error"]) == (400, True)


@proves("infer raw")
@pytest.mark.parametrize(
    ("model", "body", "shape"),
    [
        ("echo_int16", bytes(6), [1, 3]),
        ("scalar", bytes(4), []),
        ("echo_bytes", "\0数".encode(), [1, 1]),
        ("row", b"", [0, 3]),
    ],
)
def test_what_a_raw_body_leaves_open_is_one(address: Address, model: str, body: bytes, shape: list[int]) -> None:
    """Of two free dimensions the first; of texts all, whose only element the body is."""
    answer = exchange(address, f"POST /v2/models/{model}/infer", body, "Inference-Header-Content-Length: 0")
    assert answer.json()["outputs"][0]["shape"] == shape
    assert answer.tail() == (len(body).to_bytes(4, "little") + body if model == "echo_bytes" else body)


@proves("infer raw", "errors")
@pytest.mark.parametrize(
    ("model", "body"),
    [("pair", bytes(16)), ("row", bytes(11)), ("row", bytes(4)), ("scalar", bytes(8)), ("echo_bool", b"\1\2")],
)
def test_a_raw_body_that_is_no_tensor_of_the_model_is_400(address: Address, model: str, body: bytes) -> None:
    """Of two inputs, of no whole rows, of one number too many, of what is neither true nor false."""
    answer = exchange(address, f"POST /v2/models/{model}/infer", body, "Inference-Header-Content-Length: 0")
    assert (answer.status, list(answer.json())) == (400, ["error"])


@proves("infer binary", "errors")
@pytest.mark.parametrize(
    "data",
    [b"", b"\4\0\0", b"\4\0\0\0abc", b"\xff\xff\xff\xffabc", b"\1\0\0\0a\0\0\0\0", b"\2\0\0\0\xff\xfe"],
)
def test_texts_whose_lengths_lie_are_400(address: Address, data: bytes) -> None:
    """None, cut in the length, cut in the text, of 4 GiB, one too many; and what is no text, to be answered as JSON."""
    message = {"inputs": [tensor("x", "BYTES", [1, 1], parameters=binary(len(data)))]}
    text = json.dumps(message).encode()
    header = f"Inference-Header-Content-Length: {len(text)}"
    answer = exchange(address, "POST /v2/models/echo_bytes/infer", text + data, header)
    assert (answer.status, list(answer.json())) == (400, ["error"])


@proves("infer binary")
def test_bytes_that_are_no_text_pass_as_they_are(address: Address) -> None:
    """Beside text, and beside characters that a server might have used to write them."""
    items = (b"\xff\0z", "你 \uf7ff".encode(), b"")
    data = b"".join(len(item).to_bytes(4, "little") + item for item in items)
    message = {
        "inputs": [tensor("x", "BYTES", [1, 3], parameters=binary(len(data)))],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    assert infer(address, "echo_bytes", message, data).tail() == data


@proves("infer binary")
def test_a_tensor_of_no_bytes_infers(address: Address) -> None:
    """The header then counts the whole body."""
    message = {
        "inputs": [tensor("x", "FP32", [0, 3], parameters=binary(0))],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    text = json.dumps(message).encode()
    answer = exchange(address, "POST /v2/models/row/infer", text, f"Inference-Header-Content-Length: {len(text)}")
    (output,) = answer.json()["outputs"]
    assert (output["shape"], output["parameters"], answer.tail()) == ([0, 3], {"binary_data_size": 0}, b"")


@proves("infer binary")
@pytest.mark.parametrize(
    ("size", "tail"), [(12, ROW.tobytes()[:11]), (12, ROW.tobytes() + b"x"), (11, ROW.tobytes()), (13, ROW.tobytes())]
)
def test_bytes_that_are_too_few_or_too_many_are_400(address: Address, size: int, tail: bytes) -> None:
    """Short, left over, or of another size than the shape has."""
    message = {"inputs": [tensor("x", "FP32", [1, 3], parameters=binary(size))]}
    answer = infer(address, "row", message, tail)
    assert (answer.status, list(answer.json())) == (400, ["error"])


@proves("infer binary")
@pytest.mark.parametrize("value", ["-1", "a", "1.5", "99999", "9" * 40, ""])
def test_a_header_that_is_no_length_is_400(address: Address, value: str) -> None:
    """No number, below 0, beyond the body."""
    body = json.dumps({"inputs": [JSON_ROW]}).encode()
    answer = exchange(address, "POST /v2/models/row/infer", body, f"Inference-Header-Content-Length: {value}")
    assert (answer.status, list(answer.json())) == (400, ["error"])


@proves("compression")
@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_body_is_counted_unpacked(address: Address, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """JSON and bytes are packed together; the header counts the JSON before that."""
    text = json.dumps({"inputs": [BINARY_ROW]}).encode()
    answer = exchange(
        address,
        "POST /v2/models/row/infer",
        pack(text + ROW.tobytes()),
        f"Content-Encoding: {encoding}",
        f"Inference-Header-Content-Length: {len(text)}",
    )
    assert answer.json()["outputs"][0]["data"] == [1.5, -2, 3]


@proves("compression")
@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_an_answer_is_packed_as_one(address: Address, encoding: str, unpack: Callable[[bytes], bytes]) -> None:
    """JSON and bytes together, for who names one way alone; the header counts the JSON before that."""
    values = np.arange(3000, dtype="<f4").reshape(1000, 3)
    message = {
        "inputs": [tensor("x", "FP32", [1000, 3], parameters=binary(values.nbytes))],
        "parameters": {"binary_data_output": True},
    }
    answer = infer(address, "row", message, values.tobytes(), f"Accept-Encoding: {encoding}")
    assert answer.headers["content-encoding"] == encoding
    assert answer._replace(body=unpack(answer.body)).tail() == values.tobytes()


@proves("compression")
def test_a_body_that_is_not_what_it_says_is_refused(address: Address) -> None:
    """Not packed at all is 400, packed in a way that nobody here knows 415."""
    body = json.dumps({"inputs": [JSON_ROW]}).encode()
    for encoding, status in (("gzip", 400), ("br", 415)):
        answer = exchange(address, "POST /v2/models/row/infer", body, f"Content-Encoding: {encoding}")
        assert (answer.status, list(answer.json())) == (status, ["error"])
    for encoding in ("Identity", ""):
        assert exchange(address, "POST /v2/models/row/infer", body, f"Content-Encoding: {encoding}").status == 200


@proves("infer")
@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_bare_nan_is_a_clean_400(address: Address, word: str) -> None:
    """Triton's client writes these for floats as JSON, which has no such words."""
    body = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,%s,2]}]}' % word.encode()
    answer = exchange(address, "POST /v2/models/row/infer", body)
    assert answer.status == 400
    assert "binary_data_size" in answer.json()["error"]


@proves("infer")
def test_nested_and_flat_data_are_the_same(address: Address) -> None:
    """Row by row, in one list or a list a dimension. Who sends no id gets none."""
    for data in ([1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]):
        answer = infer(address, "row", {"inputs": [tensor("x", "FP32", [2, 3], data=data)]})
        assert answer.json()["outputs"][0]["data"] == [1, 2, 3, 4, 5, 6]
        assert "id" not in answer.json()


@proves("infer")
def test_reserved_parameters_of_triton_do_no_harm(address: Address) -> None:
    """What its client sends for sequences, priorities and headers, and numbers with a point."""
    parameters = {"sequence_id": 0, "sequence_start": False, "priority": 0, "timeout": 0, "temperature": 0.5}
    answer = infer(address, "row", {"inputs": [JSON_ROW], "parameters": parameters})
    assert answer.status == 200


@proves("live", "ready", "model ready")
def test_health_tells_by_status_and_body(address: Address) -> None:
    """Clients look at the status, KServe's also at `live` and `ready`."""
    assert exchange(address, "GET /v2/health/live").json()["live"] is True
    assert exchange(address, "GET /v2/health/ready").json()["ready"] is True
    assert exchange(address, "GET /v2/models/row/ready").json() == {"name": "row", "ready": True}


@proves("server metadata")
@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_tells_who_it_is(address: Address, path: str) -> None:
    """Both ways of writing the path."""
    assert exchange(address, f"GET {path}").json()["name"] == "freehold"
