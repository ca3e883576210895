"""Whatever is wrong with a call, the answer is one string under `error`: it is all that Triton's client reads."""

import json

import pytest

from freehold.server.openapi import OPERATIONS
from tests.conformance.calls import proves
from tests.conformance.wire import Address, Json, binary, exchange, infer, tensor

ROUTES = [route for route in OPERATIONS if " /v2" in route and route != "POST /v2/rerank"]
"""Of the protocol and its extensions; the path that is left out is Cohere's, whose errors are."""
ROW = tensor("x", "FP32", [1, 3], data=[1, 2, 3])


def changed(**changes: object) -> Json:
    return {"inputs": [{**ROW, **changes}]}


@proves("errors")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("row", {}),
        ("row", {"inputs": None}),
        ("row", {"inputs": []}),
        ("row", {"inputs": [{}]}),
        ("row", {"inputs": [ROW, ROW]}),
        ("row", changed(name="z")),
        ("row", changed(datatype="FP64")),
        ("row", changed(datatype="FP31")),
        ("row", changed(shape=[1, 4])),
        ("row", changed(shape=[3])),
        ("row", changed(shape=[-1, 3])),
        ("row", changed(shape=[2**62, 3])),
        ("row", changed(shape=["1", 3])),
        ("row", changed(data=[1, 2])),
        ("row", changed(data=[[1, 2], [3]])),
        ("row", changed(data=[1, 2, "3"])),
        ("row", changed(data=[1, 2, None])),
        ("row", changed(data=[1, 2, 1e39])),
        ("row", changed(data={"0": 1})),
        ("row", changed(data=[1, 2, 3], parameters=binary(12))),
        ("row", changed(parameters={"binary_data_size": -1})),
        ("row", changed(parameters={"shared_memory_region": "r"})),
        ("row", {"inputs": [tensor("x", "FP32", [1, 3])]}),
        ("row", {"inputs": [ROW], "outputs": [{"name": "z"}]}),
        ("row", {"inputs": [ROW], "outputs": [{"name": "y"}, {"name": "y"}]}),
        ("row", {"inputs": [ROW], "outputs": [{"name": "y", "parameters": {"binary_data": "yes"}}]}),
        ("row", {"inputs": [ROW], "parameters": {"binary_data_output": 1}}),
        ("row", {"inputs": [ROW], "id": 7}),
        ("pair", {"inputs": [tensor("a", "FP32", [1, 4], data=[1, 2, 3, 4])]}),
        ("echo_int8", {"inputs": [tensor("x", "INT8", [1, 1], data=[300])]}),
        ("echo_uint8", {"inputs": [tensor("x", "UINT8", [1, 1], data=[-1])]}),
        ("echo_int32", {"inputs": [tensor("x", "INT32", [1, 1], data=[1.5])]}),
        ("echo_uint64", {"inputs": [tensor("x", "UINT64", [1, 1], data=[2**64])]}),
        ("echo_bool", {"inputs": [tensor("x", "BOOL", [1, 1], data=[1])]}),
        ("echo_bytes", {"inputs": [tensor("x", "BYTES", [1, 1], data=[7])]}),
        ("echo_fp16", {"inputs": [tensor("x", "FP16", [1, 1], data=[1.0])]}),
    ],
)
def test_a_wrong_inference_is_400(address: Address, model: str, message: Json) -> None:
    """Also where Triton answers 500 (shapes) or wraps around in silence (the range of integers)."""
    answer = infer(address, model, message)
    assert (answer.status, list(answer.json())) == (400, ["error"])
    assert isinstance(answer.json()["error"], str)


@proves("errors")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"inputs": "x"}',
        b'{"inputs":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":' + b"[" * 1000 + b"]" * 1000 + b"}]}",
        b"{}{}",
    ],
)
def test_what_is_no_request_is_400(address: Address, body: bytes) -> None:
    """Empty, cut short, of another form, not UTF-8, nested a thousand deep."""
    answer = exchange(address, "POST /v2/models/row/infer", body)
    assert (answer.status, list(answer.json())) == (400, ["error"])


@proves("errors", "versions")
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /v2/models/none", 404),
        ("GET /v2/models/none/ready", 404),
        ("POST /v2/models/none/infer", 404),
        ("GET /v2/models/row/versions/7", 404),
        ("GET /v2/models/row/versions/7/ready", 404),
        ("POST /v2/models/row/versions/7/infer", 404),
        ("GET /v2/models/row/versions/01/ready", 404),
        ("GET /v2/none", 404),
        ("GET /v2/models/row/none", 404),
        ("GET /v2/models/row/infer", 405),
        ("DELETE /v2/models/row", 405),
        ("POST /v2/health/live", 405),
        ("PUT /v2", 405),
    ],
)
def test_what_is_not_there_is_told(address: Address, line: str, status: int) -> None:
    """Models, versions, paths and methods: the same body as everywhere."""
    body = json.dumps({"inputs": [ROW]}).encode() if line.startswith("POST") else b""
    answer = exchange(address, line, body)
    assert (answer.status, list(answer.json())) == (status, ["error"])
    assert status != 405 or answer.headers["allow"]


@proves("errors")
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_refuses_in_the_same_form(address: Address, route: str) -> None:
    """Another method, a body that is no JSON, packed in a way that nobody knows, or too large; HEAD has no body."""
    method, _, pattern = route.partition(" ")
    path = pattern.format(model="row", version="1", region="none", repository="freehold")
    asked = [exchange(address, f"PATCH {path}")]
    if OPERATIONS[route].requests:
        asked += [
            exchange(address, f"{method} {path}", b"{"),
            exchange(address, f"{method} {path}", b"{}", "Content-Encoding: br"),
            exchange(address, f"{method} {path}", b"", "Content-Length: 999999999999", length=False),
        ]
    assert [answer.status for answer in asked] == [405, 400, 415, 413][: len(asked)]
    assert all(list(answer.json()) == ["error"] and isinstance(answer.json()["error"], str) for answer in asked)
    assert exchange(address, f"HEAD {path}").body == b""
    assert method in exchange(address, f"OPTIONS {path}").headers["allow"]


@proves("errors")
def test_a_body_beyond_the_limit_is_413(address: Address) -> None:
    """Told before it is sent, with the name of the setting in the message."""
    answer = exchange(address, "POST /v2/models/row/infer", b"", "Content-Length: 999999999999", length=False)
    assert (answer.status, list(answer.json())) == (413, ["error"])
    assert "limits.body_mb" in answer.json()["error"]
