"""Requests that nobody would write: none of them may cost more than a refusal.

Small in `make test`; the same with thousands of examples under `soak` (FREEHOLD_FUZZ_EXAMPLES sets how many).
"""

import json
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

FEW = 100
MANY = int(os.environ.get("FREEHOLD_FUZZ_EXAMPLES", "3000"))
SIZES = [FEW, pytest.param(MANY, marks=pytest.mark.soak)]
ANSWERED = {501, 503}  # what a server may say that it cannot do, or not now
CHECKS = (
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
)

VALID: dict[str, Any] = {
    "/v1/embeddings": {"model": "minilm", "input": ["a", "b"], "encoding_format": "float", "dimensions": 8},
    "/v1/rerank": {"model": "judge", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1},
    "/rerank": {"query": "q", "texts": ["a", "b"], "raw_scores": True, "return_text": True, "truncate": True},
    "/embed": {"inputs": ["a", "b"], "truncate": False, "normalize": True},
    "/tei/judge/tokenize": {"inputs": "a b", "add_special_tokens": False},
    "/v2/models/fp32/infer": {
        "id": "1",
        "inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2.5, -3], "parameters": {}}],
        "outputs": [{"name": "y", "parameters": {"binary_data": False}}],
        "parameters": {"binary_data_output": False},
    },
    "/v2/models/int64/infer": {"inputs": [{"name": "x", "shape": [2, 3], "datatype": "INT64", "data": [[1] * 3] * 2}]},
    "/v2/models/bytes/infer": {
        "inputs": [{"name": "x", "shape": [1, 3], "datatype": "BYTES", "data": ["a", "", "数"]}]
    },
    "/v2/models/minilm/infer": {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
    "/v2/models/judge/infer": {
        "inputs": [
            {"name": "query", "shape": [1], "datatype": "BYTES", "data": ["q"]},
            {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
        ]
    },
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 4),
    st.sampled_from([2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 5e-324, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", "\x00", "\ud800", "FP32", "BYTES", "x", "minilm", "../..", "a" * 5000, "🙂", "\u202e"]),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document, as the keys that lead there."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """A copy of a document in which `change` was applied at one place; DROP as its result leaves the place out."""
    if not path:
        return change(document)
    key, rest = path[0], path[1:]
    value = changed(document[key], rest, change)
    if isinstance(document, dict):
        kept = {name: one for name, one in document.items() if name != key}
        return kept if value is DROP else {**kept, key: value}
    return [*document[:key], *(() if value is DROP else (value,)), *document[key + 1 :]]


DROP = object()


@st.composite
def almost_valid(draw: st.DrawFn) -> tuple[str, Any]:
    """A path, and its valid request with one to three places replaced, removed, doubled or wrapped."""
    path = draw(st.sampled_from(sorted(VALID)))
    document = VALID[path]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(document)))
        new = draw(anything)
        change = draw(st.sampled_from([lambda _, n=new: n, lambda _: DROP, lambda v: [v, v], lambda v: {"x": v}]))
        document = changed(document, place, change)
        if document is DROP:
            document = new
    return path, document


def judge(status: int, body: bytes) -> None:
    """An answer or a refusal that can be read; never a failure of the server."""
    assert status < 500 or status in ANSWERED, body[:500]
    if status >= 400:
        assert json.loads(body)["error"]
    assert len(body) < 200_000


def fuzzed(examples: int) -> Any:
    """As many examples, at any speed, without the explanations that cost more examples."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )


@pytest.mark.parametrize("examples", SIZES)
def test_requests_that_are_almost_valid_are_answered_or_refused(node: Any, examples: int) -> None:
    """JSON with a few wrong places, at every call."""

    @fuzzed(examples * 3)
    @given(almost_valid())
    def ask(request: tuple[str, Any]) -> None:
        path, document = request
        answer = node.client.post(path, content=json.dumps(document).encode())
        judge(answer.status_code, answer.content)

    ask()
    assert node.metric("freehold_request_memory_used_bytes") == 0


@pytest.mark.parametrize("examples", SIZES)
def test_text_that_is_almost_json_is_answered_or_refused(node: Any, examples: int) -> None:
    """Bytes cut, inserted and doubled anywhere in a valid body."""

    @fuzzed(examples * 2)
    @given(st.sampled_from(sorted(VALID)), st.data())
    def ask(path: str, data: st.DataObject) -> None:
        body = json.dumps(VALID[path]).encode()
        for _ in range(data.draw(st.integers(1, 4))):
            begin = data.draw(st.integers(0, len(body)))
            end = data.draw(st.integers(begin, min(len(body), begin + 8)))
            body = body[:begin] + data.draw(st.binary(max_size=6) | st.just(body[begin:end] * 3)) + body[end:]
        answer = node.client.post(path, content=body)
        judge(answer.status_code, answer.content)

    ask()


@pytest.mark.parametrize("examples", SIZES)
def test_binary_tensors_that_lie_are_answered_or_refused(node: Any, examples: int) -> None:
    """Lengths, shapes, sizes and bytes that do not agree, for numbers and for strings."""
    sizes = st.integers(-2, 40) | st.sampled_from([2**31, 2**63, 2**64])

    @fuzzed(examples * 2)
    @given(st.sampled_from(["FP32", "INT64", "BOOL", "BYTES"]), st.lists(sizes, max_size=3), sizes, sizes, st.binary())
    def ask(datatype: str, shape: list[int], size: int, shift: int, tail: bytes) -> None:
        strings = b"".join(struct.pack("<I", count) + b"a" * (count % 7) for count in tail[:3])
        data = strings if datatype == "BYTES" and tail[:1] > b"\x40" else tail
        sizes = {"binary_data_size": len(data) if abs(shift) < 20 else size}
        tensor = {"name": "x", "shape": shape or [1, 3], "datatype": datatype, "parameters": sizes}
        header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        length = len(header) + (shift if abs(shift) >= 20 else 0)
        answer = node.client.post(
            f"/v2/models/{datatype.lower()}/infer",
            content=header + data,
            headers={"Inference-Header-Content-Length": str(length)},
        )
        if answer.status_code != 200:
            judge(answer.status_code, answer.content)

    ask()


@pytest.mark.parametrize("examples", SIZES)
def test_bytes_that_are_almost_http_never_hurt_the_next_client(node: Any, examples: int) -> None:
    """A damaged request on a socket of its own: an answer that can be parsed or none, and the next client is served."""
    body = json.dumps(VALID["/v1/embeddings"]).encode()
    whole = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
        len(body),
        body,
    )
    pieces = st.sampled_from([b"\r\n", b"\r\n\r\n", b"\0", b" ", b"Transfer-Encoding: chunked\r\n", b"HTTP/9.9", b":"])

    @fuzzed(examples)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        sent = whole
        for _ in range(data.draw(st.integers(1, 4))):
            begin = data.draw(st.integers(0, len(sent)))
            end = data.draw(st.integers(begin, min(len(sent), begin + 30)))
            sent = sent[:begin] + data.draw(st.binary(max_size=8) | pieces | st.just(sent[begin:end] * 2)) + sent[end:]
        with socket.create_connection(node.address, timeout=0.05) as client:
            try:
                client.sendall(sent)
                answer = client.recv(65536)
            except (TimeoutError, ConnectionError):
                answer = b""  # it waits for the rest of a request, or the connection was not worth an answer
        if answer:
            version, status = answer.split(b" ", 2)[:2]
            assert version == b"HTTP/1.1"
            assert int(status) < 500 or int(status) in ANSWERED, answer[:500]
        assert node.client.get("/livez").status_code == 200

    ask()


@pytest.fixture(scope="session")
def described(node: Any) -> Any:
    """The server as schemathesis reads it."""
    return schemathesis.openapi.from_url(f"{node.url}/openapi.json")


def operations(described: Any) -> list[Any]:
    """Every operation of the document; one with a version or repository in its path is another one's twin."""
    every = [found.ok() for found in described.get_all_operations()]
    return [one for one in every if "{version}" not in one.path and "{repository}" not in one.path]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("examples", [10, pytest.param(MANY // 10, marks=pytest.mark.soak)])
def test_answers_are_those_of_the_openapi_document(
    node: Any, described: Any, mode: GenerationMode, examples: int
) -> None:
    """What follows the schemas and what breaks them: status, media type and shape of the answer as described."""
    for operation in operations(described):
        if mode is GenerationMode.POSITIVE or operation.body:  # what is passed on as it comes has nothing to break
            compare(operation, mode, examples)
    assert node.client.post("/v2/repository/models/fp64/load").status_code == 200
    assert node.client.get("/v2/health/ready").status_code == 200


def compare(operation: Any, mode: GenerationMode, examples: int) -> None:
    """Send generated requests of one operation to a model that is there, and hold the answers against the document."""
    models = {"rerank": "judge", "infer": "fp32", "repository": "fp64"}  # which nobody else asks: it comes and goes
    model = next((name for word, name in models.items() if word in operation.path), "minilm")

    @fuzzed(examples)
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        if "model" in case.path_parameters:
            case.path_parameters["model"] = model
        if isinstance(case.body, dict):
            case.body.pop("model", None)
        answer = case.call(timeout=20)
        assert answer.status_code < 500 or answer.status_code in ANSWERED, answer.text
        case.validate_response(answer, checks=list(CHECKS))

    ask()


def test_the_checks_of_the_document_are_there() -> None:
    """Those that this file relies on are still schemathesis's own."""
    assert set(CHECKS) <= set(checks.CHECKS.get_all())
