"""The Huffman code of header strings, against the package hpack."""

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from freehold.http.http2.huffman import HuffmanError, decode

PACKER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@given(st.binary(max_size=300))
def test_every_string_comes_back(text: bytes) -> None:
    """Of all bytes there are."""
    assert decode(PACKER.encode(text)) == text


@pytest.mark.parametrize("data", [b"\xff", b"\xff\xff\xff\xff", b"\xfe", b"\x07\xff"])
def test_what_is_no_code_is_refused(data: bytes) -> None:
    """Eight bits of padding, EOS, a code that is cut, more padding than a byte has room for."""
    with pytest.raises(HuffmanError):
        decode(data)
