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
from freehold.http.compression import STEP, inflate


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
