"""Acts and the bytes by which they stand in the audit."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from freehold.access.act import GENESIS, LONGEST, Act, Line, fit, hash_after, is_hash, written

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)


def test_a_line_is_one_json_object_of_sorted_keys() -> None:
    """What is empty is left out, so that a line of later releases may say more."""
    act = Act("model.load", "alice", model="bge-m3", digest="sha256:12", tokens_in=3, details={"pinned": 1, "by": "x"})
    assert Line(7, 1_700_000_000_123, "node-1", act).canonical() == (
        b'{"at":"2023-11-14T22:13:20.123Z","details":{"by":"x","pinned":1},"digest":"sha256:12","model":"bge-m3",'
        b'"node":"node-1","number":7,"outcome":"done","tenant":"default","tokens_in":3,"tokens_out":0,'
        b'"what":"model.load","who":"alice"}'
    )


def test_a_hash_is_of_the_hash_before_and_the_line() -> None:
    """Anybody can compute it: SHA-256 over 32 bytes and the line's own."""
    assert hash_after(GENESIS, b"{}") == hashlib.sha256(b"\0" * 32 + b"{}").digest()


@given(who=ANY_TEXT, model=ANY_TEXT, detail=ANY_TEXT, name=ANY_TEXT, text=st.text(max_size=30))
def test_a_line_can_be_made_again_from_what_it_says(who: str, model: str, detail: str, name: str, text: str) -> None:
    """Whatever clients call themselves, an export has lines that the standard library turns into the same bytes."""
    act = Act("inference", who, model=model, details={name: detail}, content={"answer": {"text": text}})
    line = Line(1, 0, "n", act).canonical()
    said = json.loads(line)
    assert json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == line
    assert len(line.splitlines()) == 1
    assert said["content"]["answer"]["text"] == text


@given(ANY_TEXT)
def test_a_fit_text_stays_as_it_is(text: str) -> None:
    """No control characters, no half characters; what is fit already is not touched."""
    once = fit(text)
    assert fit(once) == once
    assert not any(character in once for character in "\0\n\r\x7f\u2028")
    once.encode()


def test_a_long_text_is_cut() -> None:
    """Clients choose some of them."""
    assert len(fit("x" * 10_000)) == LONGEST


def test_what_was_asked_is_not_cut_as_a_name_is() -> None:
    """Nor changed: its bound is that of whoever kept it, and its hash is of these words."""
    text = "a\n" * 10_000
    line = Line(1, 0, "n", Act("inference", "k", content={"request": {"text": text}})).canonical()
    assert json.loads(line)["content"] == {"request": {"text": text}}


def test_what_a_hash_looks_like() -> None:
    """64 digits in lower case, and nothing else."""
    assert is_hash("0a" * 32)
    for other in ("0A" * 32, "0a" * 31, "", None, 5, "0a" * 32 + "\n"):
        assert not is_hash(other)


def test_a_moment_has_milliseconds() -> None:
    """In UTC, as RFC 3339 has it."""
    assert written(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"


def test_no_text_is_a_command_of_a_terminal() -> None:
    """Clients choose some: neither escapes of 7 and 8 bits nor what turns the order of letters gets through."""
    assert fit("a\x1b[2J\x9b2J\u202eb\u2066c\u200f") == "a\ufffd[2J\ufffd2J\ufffdb\ufffdc\ufffd"
