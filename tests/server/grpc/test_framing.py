"""gRPC's own part of the wire: deadlines, statuses, messages within their limits."""

import asyncio
from urllib.parse import unquote

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.http import BodyLimits
from freehold.http.errors import GRPC_STATUS
from freehold.http.http2.hpack import Decoder
from freehold.http.http2.stream import Stream
from freehold.server.grpc.framing import CODES, PIECE, ending, receive, timeout_s
from tests.http.http2.test_stream import Wire


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"2H", 7200.0),
        (b"3M", 180.0),
        (b"4S", 4.0),
        (b"250m", 0.25),
        (b"5u", 5e-6),
        (b"7n", 7e-9),
        (None, None),
        (b"", None),
        (b"S", None),
        (b"-1S", None),
        (b"1d", None),
        (b"123456789S", None),
    ],
)
def test_deadlines_are_read(header: bytes | None, expected: float | None) -> None:
    """Eight digits and a unit; what is none is no deadline."""
    assert timeout_s(header) == (expected if expected is None else pytest.approx(expected))


@given(st.text(max_size=100))
def test_what_is_wrong_is_told_in_ascii(text: str) -> None:
    """Percent-encoded UTF-8, which every client of gRPC turns back."""
    told = dict(Decoder(1 << 16).decode(ending(((b"x-request-id", b"7"),), "NOT_FOUND", text)))
    assert told[b"grpc-status"] == b"5"
    assert told[b"grpc-message"].isascii()
    assert unquote(told[b"grpc-message"].decode()) == text
    assert told[b"x-request-id"] == b"7"


def test_a_message_that_does_not_come_is_not_waited_for() -> None:
    """Not its prefix, and not its rest; memory was taken for no more than a piece of it."""

    async def run(came: bytes, *, idle: bool) -> list[int]:
        stream, held = Stream(Wire(), 1, {}, ended=False), list[int]()
        stream.feed(came, len(came), ended=False)
        with pytest.raises(FreeholdError, match="slow_client"):
            await receive(stream, BodyLimits(1 << 30, 0.05), held.append, idle=idle)
        return held

    assert asyncio.run(run(b"\0\0", idle=False)) == []
    assert asyncio.run(run(b"\0" + (100 << 20).to_bytes(4, "big") + b"abc", idle=True)) == [PIECE]


def test_every_kind_of_error_has_a_number() -> None:
    """Those of gRPC's own list."""
    for name in {*GRPC_STATUS.values(), "OK"}:
        assert CODES[name] == getattr(grpc.StatusCode, name).value[0]
