"""What Dify answered, read and told."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.dify.console.answers import Answer, hidden, outline
from freehold.errors import FreeholdError


class Row(msgspec.Struct, frozen=True):
    """A shape."""

    id: str
    count: int = 0


def answer(content: bytes, status: int = 200, *secrets: str) -> Answer:
    """An answer of one step."""
    return Answer("GET /rows", status, content, "1.15.0", frozenset(secrets))


def test_fields_that_came_later_are_not_minded() -> None:
    """Newer ones have more."""
    assert answer(b'{"id": "a", "colour": "blue"}').read(Row) == Row("a")


@pytest.mark.parametrize(
    "content", [b"{}", b'{"id": 7}', b"<html>hello</html>", b"[]", b"", b"\xff\xfe", b'{"id": "\xff"}', b"[" * 9999]
)
def test_another_shape_names_the_step_and_what_came(content: bytes) -> None:
    """With the version that Dify says it is."""
    with pytest.raises(FreeholdError, match=r"GET /rows.*1\.15\.0.*\[dify_console_shape\]"):
        answer(content).read(Row)


def test_what_came_is_told_by_its_keys_alone() -> None:
    """Values may be tokens."""
    content = b'{"data": {"access_token": "t-1"}, "many": [{"key": "k-1"}], "n": 1, "ok": true, "none": null, "no": []}'
    assert outline(content) == (
        "{data: {access_token}, many: [{key}, ...], n: number, ok: true or false, none: null, no: []}"
    )
    assert outline(b"<html>\n  <h1>502 Bad</h1><br") == "502 Bad"
    assert outline(b" ") == "nothing"
    assert outline(b"<html></html>") == "no text"
    assert outline(msgspec.json.encode({f"k{place}": place for place in range(20)})).endswith(", ...}")


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (401, b'{"code": "not_setup", "message": "no"}', "dify_console_not_set_up"),
        (401, b'{"code": "unauthorized", "message": "no"}', "dify_console_session"),
        (403, b'{"code": "forbidden", "message": "no"}', "dify_console_forbidden"),
        (500, b"<html>oops</html>", "dify_console_refused"),
        (400, b'{"message": {"model": "unknown"}}', "dify_console_refused"),
        (503, b"", "dify_console_refused"),
    ],
)
def test_what_is_no_success_is_an_error(status: int, content: bytes, code: str) -> None:
    """By its status and Dify's word for it."""
    assert answer(content, status).refusal().code == code


def test_words_are_one_line_without_secrets() -> None:
    """However Dify says them."""
    said = answer(b'{"code": "invalid_param", "message": "wrong\\n key sk-1234 given"}', 400, "sk-1234")
    assert said.words == "wrong key *** given"
    assert answer(b'{"result": "error", "error": "no  model"}').words == "no model"
    assert answer(b'{"data": {"token": "t-1"}}', 500).words == "{data: {token}}"
    assert answer(b"", 502).words == "nothing"


def test_longer_secrets_go_first_and_short_ones_stay() -> None:
    """One may hold another; three letters are in any word."""
    assert hidden("abcdefgh abcd abc", ["abcd", "abcdefgh", "abc"]) == "*** *** abc"


def test_a_page_that_repeats_a_secret_tells_it_to_nobody() -> None:
    """Neither in words, nor where another shape was wanted."""
    page = answer(b"<html>wrong password: hush-hush</html>", 200, "hush-hush")
    assert page.words == "wrong password: ***"
    assert "hush" not in page.misshapen("no JSON").cause


@given(st.binary(max_size=60))
@settings(max_examples=60)
def test_no_content_breaks_telling_it(content: bytes) -> None:
    """Whatever a proxy answers."""
    assert isinstance(outline(content), str)
    assert answer(content, 500).words
    with pytest.raises(FreeholdError):
        raise answer(content, 500).refusal()
