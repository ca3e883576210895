"""What kind of answer bytes are."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.gateway.comparing.contents import Answer, read


def answer(value: Any, content_type: str = "application/json", status: int = 200) -> Answer:
    return Answer(status, content_type, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"object": "list", "data": [{"index": 0, "embedding": [1, 2.5]}], "usage": {}}, "vectors"),
        ({"results": [{"index": 1, "relevance_score": 0.5, "document": {"text": "a"}}], "meta": {}}, "scores"),
        ([{"index": 1, "score": 0.5, "text": "a"}], "scores"),
        ({"data": [{"index": 0, "object": "score", "score": 0.5}]}, "scores"),
        ({"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}, "tensors"),
        ({"choices": [{"message": {"content": "a"}}]}, "text"),
        ({"object": "response", "output": [{"type": "message", "content": [{"text": "a"}]}]}, "text"),
        ({"text_output": "a"}, "text"),
        ({"text": "what was said"}, "json"),
        ({"data": [{"url": "http://there/image.png"}]}, "json"),
        ({"results": [{"flagged": False}]}, "json"),
        ([[0.5, 1.0]], "json"),
        ("text", "json"),
    ],
)
def test_kinds_are_told_by_what_is_there(value: Any, kind: str) -> None:
    """Paths and content types of servers differ more than their answers."""
    assert read(answer(value)).kind == kind


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"RIFFxxxxWAVE", b'{"a": "\xff"}', b"[" * 3000 + b"]" * 3000])
def test_anything_else_is_bytes(body: bytes) -> None:
    """Also JSON that is none, or too deep."""
    assert read(Answer(200, "application/json", body)).kind == "bytes"


def test_a_failure_is_its_status() -> None:
    """What it says is its server's own."""
    content = read(answer({"error": "a"}, status=429))
    assert (content.kind, content.facts) == ("error", {"status": 429})


def test_vectors_come_by_their_index() -> None:
    """In base64 they are little-endian float32."""
    encoded = base64.b64encode(np.array([3.0, 4.0], "<f4").tobytes()).decode()
    rows = [{"index": 1, "embedding": encoded}, {"index": 0, "embedding": [1.0, 2.0]}]
    content = read(answer({"data": rows}))
    assert [vector.tolist() for vector in content.numbers] == [[1.0, 2.0], [3.0, 4.0]]
    assert content.facts["dimensions"] == (2, 2)


def test_scores_come_by_document_and_keep_their_ranking() -> None:
    """The order of the list is the ranking."""
    content = read(answer({"results": [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}))
    assert (content.order, content.numbers[0].tolist()) == ((2, 0), [0.1, 0.9])


def test_tensors_are_read_from_both_forms() -> None:
    """Binary ones follow the JSON in their order, bfloat16 as bits, texts with their lengths before them."""
    half = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    texts = b"\x02\x00\x00\x00ab\x01\x00\x00\x00\xff"
    outputs = [
        {"name": "z", "datatype": "BF16", "shape": [2], "parameters": {"binary_data_size": len(half)}},
        {"name": "b", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(texts)}},
        {"name": "a", "datatype": "INT64", "shape": [1, 2], "data": [[1, 2]]},
    ]
    header = json.dumps({"model_name": "m", "outputs": outputs}).encode()
    content = read(Answer(200, "application/octet-stream", header + half + texts, len(header)))
    assert content.facts["outputs"] == (("a", "INT64", (1, 2)), ("b", "BYTES", (2,)), ("z", "BF16", (2,)))
    assert [array.tolist() for array in content.numbers] == [[[1, 2]], [1.5, -2.0]]
    assert content.texts == ("ab", "\udcff")


@pytest.mark.parametrize(
    "output",
    [
        {"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}},
        {"name": "y", "datatype": "COMPLEX", "shape": [1], "data": [1]},
    ],
)
def test_tensors_that_cannot_be_read_are_bytes(output: Any) -> None:
    """Cut short, or of a datatype that the protocol has not."""
    header = json.dumps({"outputs": [output]}).encode()
    assert read(Answer(200, "application/octet-stream", header + b"1234", len(header))).kind == "bytes"


def test_an_event_stream_of_anything_else_is_bytes() -> None:
    """Where its pieces end is its server's own."""
    assert read(Answer(200, "text/event-stream", b"data: {}\n\n")).kind == "bytes"
    assert read(Answer(200, "text/event-stream; charset=utf-8", b'data: {"text_output": "a"}\n\n')).kind == "text"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(["data", "results", "outputs", "choices", "object", "text_output", "output", "response"])


@given(st.dictionaries(_KEYS, _JSON, max_size=4), st.none() | st.integers(0, 40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_answer_breaks_the_reading(value: Any, header_length: int | None, stream: bool) -> None:
    """Whatever stands under the keys that are known."""
    body = json.dumps(value).encode()
    kind = "text/event-stream" if stream else "application/json"
    assert read(Answer(200, kind, b"data: %b\n\n" % body if stream else body, header_length)).kind
