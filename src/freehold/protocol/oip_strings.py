"""BYTES for graphs: any bytes as text and back, since ONNX Runtime's strings are text to whoever calls it from Python.

Text passes as it is. Of what is not UTF-8 each byte that does not belong to a character becomes one of the private
characters U+F780 to U+F7FF, by its value; where text itself has one of these, its three bytes are written the same way.
So all bytes have a text of their own, and a graph that compares, looks up or passes on strings does with them what it
would do with the bytes.
"""

from collections.abc import Iterable

FIRST_OF_PYTHON, FIRST_OF_OURS = 0xDC80, 0xF780  # PEP 383 has lone surrogates in this place, which no UTF-8 can hold
_BYTES = range(128)  # below, every byte is a character

_TO_OURS: dict[int, str] = {FIRST_OF_PYTHON + byte: chr(FIRST_OF_OURS + byte) for byte in _BYTES} | {
    FIRST_OF_OURS + byte: "".join(chr(FIRST_OF_OURS + part - 128) for part in chr(FIRST_OF_OURS + byte).encode())
    for byte in _BYTES
}
_TO_PYTHON: dict[int, int] = {FIRST_OF_OURS + byte: FIRST_OF_PYTHON + byte for byte in _BYTES}


def are_text(items: Iterable[bytes]) -> bool:
    """Whether all of them are UTF-8."""
    try:
        for item in items:
            item.decode()
    except UnicodeDecodeError:
        return False
    return True


def to_text(item: bytes) -> str:
    """The text of any bytes; another one for other bytes."""
    return item.decode("utf-8", "surrogateescape").translate(_TO_OURS)


def from_text(text: str) -> bytes:
    """The bytes whose text this is."""
    return text.translate(_TO_PYTHON).encode("utf-8", "surrogateescape")
