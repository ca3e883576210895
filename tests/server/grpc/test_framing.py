"""gRPC's own part of the wire: deadlines, statuses, messages within their limits."""

from urllib.parse import unquote

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.http.errors import GRPC_STATUS
from freehold.http.http2.hpack import Decoder
from freehold.server.grpc.framing import CODES, ending, timeout_s


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


def test_every_kind_of_error_has_a_number() -> None:
    """Those of gRPC's own list."""
    for name in {*GRPC_STATUS.values(), "OK"}:
        assert CODES[name] == getattr(grpc.StatusCode, name).value[0]
