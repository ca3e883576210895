"""Event streams keep their bytes, and are cut behind whole events."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.gateway.wire.events import LONGEST, Events

PIECES = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data: x", b": c", b"", b"\n\n"]), max_size=30)
A_BORDER = re.compile(rb"(\n\n|\n\r\n|\r\r)$")


@settings(max_examples=200)
@given(PIECES)
def test_bytes_stay_what_they_are_and_events_whole(pieces: list[bytes]) -> None:
    """However a stream is chopped: the same bytes, each time up to the end of an event."""
    events = Events()
    passed = [events.feed(piece) for piece in pieces]
    assert b"".join(passed) + events.rest() == b"".join(pieces)
    assert all(A_BORDER.search(whole) for whole in passed if whole)


def test_an_event_leaves_as_soon_as_it_is_whole() -> None:
    """Nothing is held back for longer, and what follows waits for its own end."""
    events = Events()
    assert events.feed(b"data: a\n") == b""
    assert events.feed(b"\ndata: b\n\ndata: c") == b"data: a\n\ndata: b\n\n"
    assert events.feed(b"\n\n") == b"data: c\n\n"
    assert events.rest() == b""


def test_an_event_without_end_is_not_kept_for_ever() -> None:
    """A server that sends no line ends would fill the memory."""
    events = Events()
    for _ in range(LONGEST >> 20):
        assert events.feed(b"x" * (1 << 20)) == b""
    with pytest.raises(ValueError, match="longer than"):
        events.feed(b"x")
