"""The same body with another model, and the model that a form names."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.gateway.routing.naming import Form, boundary, renamed


def test_other_fields_keep_their_bytes() -> None:
    """Numbers keep their digits, texts their escapes: nothing but the name is written anew."""
    body = b'{"model":"a","temperature":1.50,"n":12345678901234567890123,"text":"\\u00fc\\/","nested":{"model": "a"}}'
    assert renamed(body, "b/ü") == body.replace(b'"model":"a",', '"model":"b/ü",'.encode(), 1)


FIELDS = st.dictionaries(
    st.text(max_size=5), st.recursive(st.none() | st.integers(), st.lists, max_leaves=3), max_size=4
)


@settings(max_examples=50)
@given(FIELDS, st.text(max_size=8))
def test_a_renamed_body_is_the_same_but_for_its_name(fields: dict[str, Any], model: str) -> None:
    """Any object."""
    body = json.dumps({**fields, "model": "a"}).encode()
    assert json.loads(renamed(body, model)) == {**fields, "model": model}


@pytest.mark.parametrize(
    "body", [b"{}", b'{"model": null}', b'{"model": ""}', b'{"model": 3}', b'{"model": "b"}', b"[1]", b"{", b"\xff"]
)
def test_what_names_no_other_model_stays_as_it_is(body: bytes) -> None:
    """Byte for byte: also what is no object, and what bears that name already."""
    assert renamed(body, "b") is body


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="a b:c"', b"a b:c"),
        (b"multipart/form-data; boundary=abc; charset=utf-8", b"abc"),
        (b"multipart/form-data", None),
        (b"multipart/mixed; boundary=abc", None),
        (b"application/json", None),
        (b"", None),
    ],
)
def test_the_boundary_of_a_form(content_type: bytes, found: bytes | None) -> None:
    """Quoted or not, among other parameters."""
    assert boundary(content_type) == found


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--abc\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


FILE = part("file", b'\r\n--ab\r\nname="model"\r\n\r\nx\r\n--', '; filename="model"\r\nContent-Type: audio/mpeg')
END = b"--abc--\r\n"


@pytest.mark.parametrize(
    "form",
    [
        part("model", b"a") + FILE + END,
        FILE + part("model", b"a") + END,
        b"preamble\r\n" + part("model", b"a") + END,
        part("language", b"en") + part("model", b"a", "\r\nContent-Type: text/plain") + END,
        part("model", b"a").replace(b'"model"', b"model") + END,
        part("model", b"a").replace(b"form-data; ", b"form-data;filename*=x; ") + END,
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_model_of_a_form_is_found_wherever_it_stands(form: bytes, size: int) -> None:
    """In whatever pieces it comes, and not within a file that looks like it; renamed, the rest stays."""
    reader = Form(b"abc")
    for start in range(0, len(form), size):
        model = reader.feed(form[start : start + size])
        if model is not None:
            break
    assert model == "a"
    assert form.startswith(reader.arrived)
    assert reader.size == len(reader.arrived)
    rest = form[len(reader.arrived) :]
    assert reader.renamed("b/c") + rest == form.replace(b"\r\n\r\na\r\n", b"\r\n\r\nb/c\r\n")


@pytest.mark.parametrize("form", [FILE + END, b"", b"--abc", b"\r\n" * 50, part("models", b"a") + END])
def test_a_form_without_a_model_has_none(form: bytes) -> None:
    """Nor has what is no form."""
    assert Form(b"abc").feed(form) is None


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([b"--abc", b"\r\n", b'name="model"', b"content-disposition: form-data; ", b"x", b"--"]))
)
def test_any_bytes_are_read_to_their_end(pieces: list[bytes]) -> None:
    """Malformed forms are no reason to fail, and the bytes stay."""
    form = Form(b"abc")
    for piece in pieces:
        form.feed(piece)
    assert form.arrived == b"".join(pieces)
