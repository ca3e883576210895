"""Headers as others compress them, read; and what is written, as others read it. The package hpack is the other."""

from contextlib import suppress

import hpack
import pytest
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from freehold.http.http2 import hpack as ours
from freehold.http.http2.hpack import Decoder, HpackError, encode

NAMES = st.sampled_from([b":path", b"te", b"x-a", b"x-b", b"grpc-timeout", b"authorization"])
BLOCKS = st.lists(st.lists(st.tuples(NAMES, st.binary(max_size=200)), max_size=8), min_size=1, max_size=12)


def test_the_static_table_is_the_standards() -> None:
    """All of its 61 entries."""
    assert tuple(HeaderTable.STATIC_TABLE) == ours._STATIC


@given(BLOCKS, st.booleans(), st.integers(0, 4096))
def test_blocks_of_one_connection_are_read(
    blocks: list[list[tuple[bytes, bytes]]], is_packed: bool, table: int
) -> None:
    """Indexed or literal, packed or plain, whatever the size of the table: each block depends on those before it."""
    theirs, decoder = hpack.Encoder(), Decoder(1 << 16)
    theirs.header_table_size = table
    for headers in blocks:
        assert decoder.decode(theirs.encode(headers, huffman=is_packed)) == headers


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=200), st.binary(max_size=9000)), max_size=4))
def test_others_read_what_is_written(headers: list[tuple[bytes, bytes]]) -> None:
    """Without a table, each time alike."""
    reader = hpack.Decoder(max_header_list_size=1 << 20)
    for _ in range(2):
        assert [tuple(header) for header in reader.decode(encode(headers), raw=True)] == headers


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # entry 0
        b"\xbe",  # an entry that nobody made
        b"\x40",  # ends within a header
        b"\x00\x05ab",  # ends within a string
        b"\xff\xff\xff\xff\xff\xff\xff\x7f",  # a number without an end
        b"\x3f\xe2\x1f",  # a table larger than was allowed: 4097
        b"\x82\x20",  # the table's size behind a header
        b"\x00\x84\xff\xff\xff\xff\x00",  # EOS within a string
        b"\x00\x81\xfe\x00",  # a string that ends within a code
        b"\x40\x01a\x7f\xe1\x1e" + bytes(4000) + b"\xbe" * 20,  # one byte each that stand for four thousand
    ],
)
def test_what_cannot_be_read_is_refused(block: bytes) -> None:
    """Each in a way that is told apart from a defect of ours."""
    with pytest.raises(HpackError):
        Decoder(1 << 16).decode(block)


@given(st.binary(max_size=100))
def test_no_bytes_do_harm(block: bytes) -> None:
    """Headers, or the error that says that there are none."""
    with suppress(HpackError):
        assert isinstance(Decoder(1 << 16).decode(block), list)
