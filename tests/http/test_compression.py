"""Decompression that trusts nobody."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.http.compression import SMALLEST, STEP, deflate, inflate


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


def nothing(more: int, total: int) -> None:
    """A bound that is never met."""


@given(st.binary(max_size=5000), st.sampled_from([(b"gzip", gzip.compress), (b"deflate", zlib.compress)]))
def test_what_was_compressed_comes_back(data: bytes, how: tuple[bytes, Callable[[bytes], bytes]]) -> None:
    """For any bytes, also none."""
    encoding, compress = how
    assert asyncio.run(inflate(compress(data), encoding, grow=nothing)) == data


@given(st.binary(min_size=1, max_size=200), st.sampled_from([b"gzip", b"deflate"]))
def test_bytes_that_are_no_compression_are_an_error_of_the_client(data: bytes, encoding: bytes) -> None:
    """Never another exception."""
    with suppress(FreeholdError):
        asyncio.run(inflate(data, encoding, grow=nothing))


def test_growth_is_told_step_by_step_and_can_stop_it() -> None:
    """A bomb is cut after the first step that is too many."""
    steps: list[tuple[int, int]] = []

    def grow(more: int, total: int) -> None:
        steps.append((more, total))
        if total > 2 * STEP:
            raise FreeholdError("body_too_large", limit_mb=2.0, seen="more")

    with pytest.raises(FreeholdError, match="body_too_large"):
        asyncio.run(inflate(gzip.compress(bytes(50 * STEP)), b"gzip", grow=grow))
    assert steps == [(STEP, STEP), (STEP, 2 * STEP), (STEP, 3 * STEP)]


def test_deflate_without_a_header_is_understood() -> None:
    """Some clients send RFC 1951 under the name of RFC 1950."""
    assert asyncio.run(inflate(raw_deflate(b"abc" * 100), b"deflate", grow=nothing)) == b"abc" * 100


@given(
    st.binary(min_size=SMALLEST, max_size=4000),
    st.sampled_from([(b"gzip", gzip.decompress), (b"deflate", zlib.decompress)]),
)
def test_an_answer_comes_as_its_client_asks(data: bytes, how: tuple[bytes, Callable[[bytes], bytes]]) -> None:
    """Packed by the one way that it names, which the headers say; what was packed is the answer."""
    coding, unpack = how
    packed, headers = asyncio.run(deflate(data, coding))
    assert unpack(packed) == data
    assert headers == ((b"content-encoding", coding), (b"vary", b"accept-encoding"))


def test_a_long_answer_is_packed_too() -> None:
    """Beyond one step on another thread, with the same outcome."""
    data = bytes(STEP + 1)
    packed, _ = asyncio.run(deflate(data, b"gzip"))
    assert len(packed) < STEP
    assert gzip.decompress(packed) == data


@pytest.mark.parametrize(
    "accepted", [b"gzip", b" GZIP ", b"gzip;q=0.5", b"gzip, identity", b"gzip,br;q=0", b"identity;q=0,gzip"]
)
def test_who_names_gzip_alone_gets_it(accepted: bytes) -> None:
    """In any case of letters, with a weight, beside what stands for no compression."""
    assert asyncio.run(deflate(bytes(SMALLEST), accepted))[1][0] == (b"content-encoding", b"gzip")


@pytest.mark.parametrize(
    "accepted",
    [None, b"", b"gzip, deflate", b"gzip, deflate, br, zstd", b"br", b"*", b"identity", b"gzip;q=0", b"\xff"],
)
def test_who_names_several_ways_or_none_gets_the_plain_answer(accepted: bytes | None) -> None:
    """HTTP libraries name all that they know, unasked."""
    assert asyncio.run(deflate(bytes(SMALLEST), accepted)) == (bytes(SMALLEST), ())


def test_a_small_answer_is_never_packed() -> None:
    """The headers would weigh more than it saves."""
    assert asyncio.run(deflate(bytes(SMALLEST - 1), b"gzip")) == (bytes(SMALLEST - 1), ())
