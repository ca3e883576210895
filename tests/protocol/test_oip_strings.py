"""Any bytes as text, and back."""

from hypothesis import example, given
from hypothesis import strategies as st

from freehold.protocol.oip_strings import are_text, from_text, to_text

PRIVATE = st.text(st.characters(min_codepoint=0xF770, max_codepoint=0xF810), max_size=4)
ITEMS = st.binary(max_size=8) | st.builds(lambda text, more: text.encode() + more, PRIVATE, st.binary(max_size=3))


@given(ITEMS)
@example(b"\xff\x00z")
@example(b"\xed\xb2\x80")  # a surrogate, which UTF-8 forbids
@example("\uf780".encode())
def test_bytes_come_back_from_their_text(item: bytes) -> None:
    """Whatever they are; and the text is one that UTF-8 can hold."""
    text = to_text(item)
    assert from_text(text) == item
    assert text.encode().decode() == text


@given(ITEMS, ITEMS)
def test_other_bytes_have_another_text(one: bytes, other: bytes) -> None:
    """A graph that compares or looks up strings tells them apart as it would the bytes."""
    assert (to_text(one) == to_text(other)) == (one == other)


def test_text_passes_as_it_is() -> None:
    """But for the private characters that stand for bytes."""
    assert to_text("a\0 你好 \U0001f600".encode()) == "a\0 你好 \U0001f600"
    assert to_text(b"a\xffb") == "a\uf7ffb"
    assert len(to_text("\uf780".encode())) == 3


def test_what_is_not_utf_8_is_no_text() -> None:
    """One element is enough."""
    assert are_text([])
    assert are_text([b"a\0", "你".encode()])
    assert not are_text([b"a", b"\xff"])
