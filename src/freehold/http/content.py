"""What was asked and what was answered, for lines of the audit that hold it: text up to a bound, all else as a hash."""

import codecs
from collections.abc import Mapping
from hashlib import sha256

from freehold.http.compression import beginning

LONGEST = 16_384
"""Characters of one text that are kept; its length and hash are those of the whole."""
_KEPT = 4 * LONGEST  # bytes: no character of UTF-8 has more than four
_OCTETS = b"application/octet-stream"
_JSON_ENDS = b"inference-header-content-length"
"""The header by which the Open Inference Protocol says that tensors follow the JSON."""
_COMMANDS = (*map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029")
"""What a terminal may take for a command, or a program for the end of a line, and JSON does not escape."""


class Passage:
    """One body, counted and hashed as it goes over the wire. No more of it is held than its beginning."""

    __slots__ = ("_begun", "_coding", "_is_binary", "_sha256", "_size")

    def __init__(self) -> None:
        self._begun = bytearray()
        self._coding = b""
        self._is_binary = False
        self._sha256 = sha256()
        self._size = 0

    def describe(self, headers: Mapping[bytes, bytes]) -> None:
        """What its headers, by their lower-case names, say of it; nothing of them is kept."""
        self._coding = headers.get(b"content-encoding", b"").strip().lower()
        self._is_binary = _JSON_ENDS in headers or headers.get(b"content-type", b"").startswith(_OCTETS)

    def take(self, piece: bytes, *, is_binary: bool = False) -> None:
        """One more piece has passed."""
        self._is_binary = self._is_binary or is_binary
        self._size += len(piece)
        self._sha256.update(piece)
        if len(self._begun) < _KEPT:
            self._begun += piece[: _KEPT - len(self._begun)]

    def told(self) -> dict[str, str | int]:
        """`bytes` and `sha256` of the whole as it was sent; of text also `text`, or `begins` where that is cut.

        Nothing where nothing passed.
        """
        if not self._size:
            return {}
        told: dict[str, str | int] = {"bytes": self._size, "sha256": self._sha256.hexdigest()}
        begun, whole = bytes(self._begun), self._size <= _KEPT
        if self._coding not in (b"", b"identity"):
            begun, ended = beginning(begun, self._coding, _KEPT)
            whole = whole and ended
        text = None if self._is_binary else _read(begun, whole)
        if text:
            whole = whole and len(text) <= LONGEST
            told["text" if whole else "begins"] = _harmless(text[:LONGEST])
        return told


class Content:
    """Both bodies of one request."""

    __slots__ = ("answer", "request")

    def __init__(self) -> None:
        self.request = Passage()
        self.answer = Passage()

    def told(self) -> dict[str, dict[str, str | int]]:
        """As `Passage.told`, by `request` and `answer`; what did not pass is missing."""
        both = {"request": self.request.told(), "answer": self.answer.told()}
        return {name: told for name, told in both.items() if told}


def _read(begun: bytes, whole: bool) -> str | None:
    """The text that begins so, None where that is no text: not UTF-8, or with the zeros that numbers have."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(begun, whole)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _harmless(text: str) -> str:
    for command in _COMMANDS:  # in ASCII, which has but one of them, a tenth of what an expression takes
        text = text.replace(command, "\ufffd")
    return text
