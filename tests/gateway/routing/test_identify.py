"""Which model a request names."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.gateway.routing.identify import identify, is_json, is_packed, named

JSON = {b"content-type": b"application/json"}
GZIP = {b"content-encoding": b"gzip"}


def model_of(
    path: str | None = None, query: bytes = b"", body: bytes = b"", method: str = "POST", **headers: bytes
) -> str | None:
    fields = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return identify(method, path, fields, query, body)


@pytest.mark.parametrize(
    "request_",
    [
        {"path": "a"},
        {"x_model_id": b" a "},
        {"query": b"x=1&model_id=a&model_id=b"},
        {"query": b"model%5Fid=%61"},
        {"body": b'{"model": "a"}'},
        {"body": b'{"model": "a"}', "content_type": b"Application/JSON ; charset=utf-8"},
        {"body": b'{"model": "a"}', "content_encoding": b"identity"},
        {"path": "a", "query": b"model_id=a", "x_model_id": b"a", "body": b'{"model": "a"}'},
        {"path": "a", "query": b"model_id=", "x_model_id": b"", "body": b'{"model": ""}'},
        {"path": "a", "body": b"{"},
        {"path": "a", "body": b'{"model": "b"}', "content_encoding": b"gzip"},
        {"path": "a", "body": b'{"model": "b"}', "content_type": b"application/octet-stream"},
        {"path": "a", "body": b'{"model": "b"}', "inference_header_content_length": b"0"},
        {"path": "a", "body": b'{"model": "b"}', "method": "GET"},
    ],
)
def test_a_name_is_found_wherever_it_stands(request_: dict[str, Any]) -> None:
    """Once or everywhere; empty values are none, and what cannot be read is left to the model."""
    assert model_of(**request_) == "a"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"path": "a", "x_model_id": b"b"}, "model_conflict"),
        ({"query": b"model_id=a", "body": b'{"model": "b"}'}, "model_conflict"),
        (
            {"query": b"model_id=a", "body": b'{"model": "b"}', "inference_header_content_length": b"0"},
            "model_conflict",
        ),
        ({"path": "a", "query": b"model_id=b", "content_encoding": b"gzip"}, "model_conflict"),
        ({"body": b'{"model": "a"}', "content_encoding": b"gzip"}, "body_encoding_unsupported"),
        ({"body": b"{", "content_encoding": b"br"}, "body_encoding_unsupported"),
        ({"body": b"{"}, "json_malformed"),
        ({"body": b""}, "json_malformed"),
        ({"body": b'{"model": 3}'}, "json_malformed"),
        ({"body": b'{"model": ["a"]}'}, "json_malformed"),
        ({"body": b"[" * 100_000}, "json_malformed"),
        ({"body": b"[1,"}, "json_malformed"),
    ],
)
def test_a_request_that_cannot_be_understood_is_told_why(request_: dict[str, Any], code: str) -> None:
    """Two that differ are a conflict before all else."""
    with pytest.raises(FreeholdError) as raised:
        model_of(**request_)
    assert raised.value.code == code


def test_a_conflict_names_both_sides() -> None:
    """With where each stood, shortened."""
    with pytest.raises(FreeholdError, match=rf"path: {'a' * 80}, body: b\)"):
        model_of(path="a" * 500, body=b'{"model": "b"}')


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"3", b'{"model": null}', b'{"model": ""}', b'{"x": {"model": "a"}}'])
def test_a_body_may_name_none(body: bytes) -> None:
    """Nor does one that is no object, or not JSON by its type."""
    assert model_of(body=body) is None
    assert model_of(body=b'{"model": "a"}', content_type=b"text/plain") is None


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model": "a", "model": "b"}', "b"),
        (b'{"model": 3, "model": "b"}', "b"),
        (b'{"model": "a", "model": null}', None),
        (b'{"mod\\u0065l": "b"}', "b"),
    ],
)
def test_of_several_the_last_counts(body: bytes, model: str | None) -> None:
    """As in every JSON reader that keeps a mapping."""
    assert model_of(body=body) == model


@pytest.mark.parametrize("start", [b"[", b'{"model": 1, "a": ['])
def test_nothing_is_made_of_what_names_no_model(start: bytes) -> None:
    """Lists within a list would take thirty times their bytes."""
    body = start + b"[]," * 300_000 + b"[]]" + (b"}" if start.startswith(b"{") else b"")
    tracemalloc.start()
    try:
        assert named(body)[0] is None
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("headers", [GZIP, {b"content-type": b"application/x-www-form-urlencoded"}])
def test_a_node_that_computes_reads_every_body(headers: dict[bytes, bytes]) -> None:
    """Unpacked, and of whatever type it is said to be: curl's default type is that of a form."""
    assert identify("POST", None, headers, b"", b'{"model": "a"}', lenient=True) == "a"


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=6), st.integers() | st.text(max_size=4), max_size=3), st.text(min_size=1))
def test_any_object_names_its_model(fields: dict[str, Any], model: str) -> None:
    """Whatever else stands in it."""
    assert named(json.dumps({**fields, "model": model}).encode()) == (model, "")


@settings(max_examples=100)
@given(st.binary(max_size=40), st.binary(max_size=20), st.binary(max_size=20))
def test_any_bytes_are_judged(body: bytes, header: bytes, query: bytes) -> None:
    """With a name, without one, or with an error of ours."""
    with suppress(FreeholdError):
        assert identify("POST", None, {b"x-model-id": header, **JSON}, query, body) != ""


@pytest.mark.parametrize(
    ("value", "json_", "packed"),
    [(None, True, False), (b"", True, False), (b"text/json", False, True), (b" Identity ", False, False)],
)
def test_types_and_encodings(value: bytes | None, json_: bool, packed: bool) -> None:
    """An absent or empty header says nothing."""
    assert (is_json(value), is_packed(value)) == (json_, packed)
