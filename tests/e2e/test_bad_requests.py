"""Whatever a client sends, it is told what is wrong by a 4xx in its own protocol's shape, and nobody else notices."""

import gzip
import json
import socket
import struct
from typing import Any

import numpy as np
import pytest

INFER = "/v2/models/{}/infer"


def row(data: object = (1, 2, 3), **changes: object) -> dict[str, Any]:
    """One input [1, 3]; a change to None leaves the field out."""
    whole = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": data, **changes}
    return {key: value for key, value in whole.items() if value is not None}


def binary(header: dict[str, Any], tail: bytes, length: int | None = None) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request with binary data."""
    text = json.dumps(header).encode()
    return text + tail, {"Inference-Header-Content-Length": str(len(text) if length is None else length)}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b'{"input": NaN}',
        b"\xff\xfe",
        b'{"input": "\xff"}',
        b"{}{}",
        b"[" * 5000,
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/v1/rerank", "/rerank", "/embed", "/tokenize", INFER.format("fp32")]
)
def test_a_body_that_is_no_request_is_a_400(node: Any, path: str, body: bytes) -> None:
    """Not JSON, not an object, not UTF-8, far too deep: refused with a reason, in every protocol."""
    answer = node.client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ([row(datatype="FP64")], "datatype_wrong"),
        ([row(datatype="FLOAT")], "datatype_wrong"),
        ([row(shape=[3])], "shape_wrong"),
        ([row(shape=[1, 4])], "shape_wrong"),
        ([row(shape=[-1, 3])], "shape"),
        ([row(shape=[2, 3])], "element_count_wrong"),
        ([row(shape=[2**62, 3])], "shape"),
        ([row(shape=[2**70, 3])], "shape_invalid"),
        ([row(shape=[])], "shape_wrong"),
        ([row(name="z")], "input_unknown"),
        ([row(), row()], "input_duplicate"),
        ([], "input_missing"),
        ([row(data=[1, 2])], "element_count_wrong"),
        ([row(data=[1, 2, 3, 4])], "element_count_wrong"),
        ([row(data=[[1, 2], [3]])], "data"),
        ([row(data="123")], ""),
        ([row(data=[1, "2", 3])], "value_invalid"),
        ([row(data=[1, None, 3])], "value_invalid"),
        ([row(data=[1, True, 3])], ""),
        ([row(data={"0": 1})], ""),
        ([row(data=None)], "data_missing"),
        ([row(data=None, parameters={"binary_data_size": 12})], "header_length_missing"),
        ([row(parameters={"binary_data_size": "12"})], ""),
        ([row(data=None, parameters={"shared_memory_region": "r"})], "parameter_invalid"),
        ([row(data=None, parameters={"shared_memory_region": "r", "shared_memory_byte_size": 12})], None),
    ],
)
def test_a_wrong_tensor_is_a_400(node: Any, inputs: list[dict[str, Any]], code: str | None) -> None:
    """Type, shape, name, number and form of the data; only what is a feature elsewhere is a 501."""
    answer = node.ask(INFER.format("fp32"), inputs=inputs)
    assert answer.status_code == (501 if code is None else 400), answer.text
    assert (code or "") in answer.json()["error"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_not_a_number_in_json_is_a_400(node: Any, value: str) -> None:
    """JSON has no such numbers, and a graph never sees them from it."""
    body = json.dumps({"inputs": [row()]}).replace("[1, 2, 3]", f"[1, {value}, 3]")
    assert value in body
    assert node.client.post(INFER.format("fp32"), content=body).status_code == 400


def test_not_a_number_in_binary_passes_and_is_refused_only_in_json(node: Any) -> None:
    """NaN is a value of FP32: binary carries it both ways, JSON out says how to ask for it."""
    data = np.array([np.nan, np.inf, 1], "<f4").tobytes()
    given = row(data=None, parameters={"binary_data_size": 12})
    body, headers = binary({"inputs": [given], "parameters": {"binary_data_output": True}}, data)
    answer = node.client.post(INFER.format("fp32"), content=body, headers=headers)
    assert answer.content[int(answer.headers["Inference-Header-Content-Length"]) :] == data
    body, headers = binary({"inputs": [given]}, data)
    refused = node.client.post(INFER.format("fp32"), content=body, headers=headers)
    assert refused.status_code == 400
    assert "binary_data_output" in refused.json()["error"]


def test_a_string_of_a_tensor_that_is_not_utf8_is_a_400(node: Any) -> None:
    """Bytes that are no text inside of otherwise sound JSON; found by the fuzzer."""
    body = json.dumps({"inputs": [row(["a", "b", "?"], datatype="BYTES")]}).encode().replace(b"?", b"\x80")
    refused = node.client.post(INFER.format("bytes"), content=body)
    assert refused.status_code == 400
    assert "not UTF-8" in refused.json()["error"]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30, 1.5, "1", True, None])
def test_what_is_no_int64_is_a_400(node: Any, value: object) -> None:
    """Out of range, with a fraction, or not a number at all; nothing wraps around."""
    assert node.ask(INFER.format("int64"), inputs=[row([1, value, 3], datatype="INT64")]).status_code == 400


@pytest.mark.parametrize("value", [2, -1, "true", 1.0, None])
def test_what_is_no_bool_is_a_400(node: Any, value: object) -> None:
    """Only true and false are."""
    assert node.ask(INFER.format("bool"), inputs=[row([True, value, False], datatype="BOOL")]).status_code == 400


@pytest.mark.parametrize(
    ("size", "tail", "length"),
    [
        (12, 11, None),
        (12, 13, None),
        (12, 0, None),
        (11, 11, None),
        (0, 0, None),
        (-1, 12, None),
        (2**62, 12, None),
        (12, 12, 5),
        (12, 12, 10_000),
        (12, 12, -1),
    ],
)
def test_short_and_extra_binary_data_is_a_400(node: Any, size: int, tail: int, length: int | None) -> None:
    """Announced, sent and needed bytes differ, or the header's length is no place in the body."""
    body, headers = binary({"inputs": [row(data=None, parameters={"binary_data_size": size})]}, b"\0" * tail, length)
    assert node.client.post(INFER.format("fp32"), content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<I", 2**32 - 1) + b"abc",
        struct.pack("<I", 5) + b"abc",
        struct.pack("<I1sI1s", 1, b"a", 1, b"b"),
        b"\0",
        struct.pack("<IIII", 0, 0, 0, 0),
    ],
)
def test_bytes_that_lie_about_their_length_are_a_400(node: Any, tail: bytes) -> None:
    """Too long, too short, too few, too many elements."""
    given = row(data=None, datatype="BYTES", parameters={"binary_data_size": len(tail)})
    body, headers = binary({"inputs": [given]}, tail)
    assert node.client.post(INFER.format("bytes"), content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/v1/embeddings", {"input": ""}, 200),
        ("/v1/embeddings", {"input": ["", " "]}, 200),
        ("/v1/embeddings", {"input": []}, 400),
        ("/v1/embeddings", {"input": [[]]}, 400),
        ("/v1/embeddings", {"input": [1, "x"]}, 400),
        ("/v1/embeddings", {"input": [-1]}, 400),
        ("/v1/embeddings", {"input": [30522]}, 400),
        ("/v1/embeddings", {"input": {"text": "x"}}, 400),
        ("/v1/embeddings", {"input": "x", "dimensions": 0}, 400),
        ("/v1/embeddings", {"input": "x", "dimensions": 385}, 400),
        ("/v1/embeddings", {"input": "x", "encoding_format": "int8"}, 400),
        ("/v1/embeddings", {"input": "x", "model": "nobody"}, 404),
        ("/v1/embeddings", {"input": "x", "model": "sixteen"}, 400),
        ("/v1/embeddings", {"input": "x", "model": "../../etc/passwd"}, 404),
        ("/v1/embeddings", {"input": "x", "model": "m" * 100_000}, 404),
        ("/v1/embeddings", {"input": "x", "model": 7}, 400),
        ("/v1/rerank", {"query": "", "documents": [""]}, 200),
        ("/v1/rerank", {"query": "q", "documents": "x"}, 400),
        ("/v1/rerank", {"query": "q", "documents": ["x"], "top_n": 0}, 400),
        ("/v1/rerank", {"query": "q", "documents": ["x"], "top_n": -1}, 400),
        ("/v1/rerank", {"documents": ["x"]}, 400),
        ("/tei/judge/rerank", {"query": "q", "texts": []}, 400),
        ("/embed", {"inputs": []}, 400),
        ("/embed", {"inputs": "x", "prompt_name": "nobody"}, 400),
        ("/tei/nobody/embed", {"inputs": "x"}, 404),
        ("/v2/models/nobody/infer", {"inputs": []}, 404),
        ("/v2/models/fp32/versions/9/infer", {"inputs": []}, 404),
        ("/v2/models/%00/infer", {"inputs": []}, 404),
        ("/v2/models/a%2Fb/infer", {"inputs": []}, 404),
        ("/v3/nowhere", {}, 404),
    ],
)
def test_texts_and_names_are_told_apart(node: Any, path: str, fields: dict[str, Any], status: int) -> None:
    """Blank text is text; empty lists, wrong types and unknown names are the client's mistakes, answered briefly."""
    answer = node.client.post(path, json=fields)
    assert answer.status_code == status, answer.text
    assert len(answer.content) < 20_000


def test_a_very_long_text_is_cut_and_that_is_said(node: Any) -> None:
    """100,000 characters: an answer, the header that says one text was cut, and a counter."""
    before = node.metric("freehold_truncated_texts_total", model="minilm")
    answer = node.ask("/v1/embeddings", model="minilm", input=["land " * 20_000, "short", "字" * 100_000])
    assert answer.status_code == 200
    assert answer.headers["x-freehold-truncated"] == "2"
    assert answer.json()["usage"]["prompt_tokens"] <= 2 * 256 + 10
    assert node.metric("freehold_truncated_texts_total", model="minilm") == before + 2
    refused = node.ask("/embed", inputs="land " * 20_000, truncate=False)
    assert refused.status_code == 413
    assert "256" in refused.json()["error"]


def test_a_body_beyond_the_limit_is_a_413(node: Any) -> None:
    """Announced, chunked or unpacked: refused as soon as it is known, with the limit and the setting."""
    large = json.dumps({"input": "x" * (3 << 20)}).encode()

    def pieces() -> Any:
        yield from (large[begin : begin + 65536] for begin in range(0, len(large), 65536))

    packed = gzip.compress(b" " * (50 << 20))
    assert len(packed) < 1 << 20
    for content, headers in ((large, {}), (pieces(), {}), (packed, {"Content-Encoding": "gzip"})):
        answer = node.client.post("/v1/embeddings", content=content, headers=headers)
        assert answer.status_code == 413
        assert "limits.body_mb" in answer.json()["error"]["message"]
    assert node.metric("freehold_request_memory_used_bytes") == 0


def test_a_client_that_sends_too_slowly_is_told_so(node: Any) -> None:
    """The configured two seconds for a body: then 408."""
    with socket.create_connection(node.address, timeout=30) as client:
        client.sendall(b'POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"input"')
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 2 s" in answer
    assert node.metric("freehold_request_memory_used_bytes") == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_names_the_right_one(node: Any, method: str) -> None:
    """405 with Allow."""
    answer = node.client.request(method, "/v1/embeddings")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


def test_headers_are_data_too(node: Any) -> None:
    """A request id that could break a log line is replaced, a strange media type does not matter."""
    answer = node.client.post("/v1/embeddings", json={"input": "x"}, headers={"X-Request-Id": "a" * 5000})
    assert len(answer.headers["x-request-id"]) < 200
    odd = node.client.post("/v1/embeddings", content=b'{"input": "x"}', headers={"Content-Type": "text/plain"})
    assert odd.status_code == 200
