"""Tokens to text as they come: whole characters only, in time that does not grow with the answer.

The pieces of an answer, put together, are what the tokenizer decodes from all its tokens. No U+FFFD is added: bytes
that are no character yet are held back, and what never becomes one is dropped.
"""

import codecs
import json
import re
from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from tokenizers import Tokenizer

CONTEXT = 4  # tokens, or characters in bytes, with which a new token is decoded; one that has a text would do
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Emitted(NamedTuple):
    """What one token added to the answer; `stopped` when a stop text was completed, which is not part of `text`."""

    text: str
    stopped: bool


class Detokenizer:
    """One model's way from tokens to text.

    Special tokens have no text, but for `visible_specials`: markers such as `<tool_call>` that some models declare
    special and that a parser must see. Ids that the tokenizer does not know have none either.
    """

    def __init__(self, tokenizer: Tokenizer, visible_specials: frozenset[int] = frozenset()) -> None:
        self._tokenizer = tokenizer
        specials = {id_ for id_, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self._hidden = frozenset(specials - visible_specials)
        self._steps = _decoder_steps(tokenizer)

    def stream(self, stop: Sequence[str] = (), after: Sequence[int] = ()) -> "TextStream":
        """The text of one answer; `stop` are the texts that end it.

        With `after`, the last tokens of the prompt, the text continues theirs: a first word keeps the space before it
        that tokenizers of the SentencePiece kind take from the beginning of a text.
        """
        return TextStream(self._text(after[-CONTEXT:]), self._hidden, StopSearch(stop))

    def _text(self, before: Sequence[int]) -> "_Text":
        if self._steps == {"ByteLevel"}:
            return _ByteLevel(self._tokenizer)
        text = _InContext(self._tokenizer, "ByteFallback" in self._steps)
        for token in before:
            if token not in self._hidden:
                text.push(token)
        return text


class TextStream:
    """The text of one answer, token by token."""

    def __init__(self, text: "_Text", hidden: frozenset[int], stops: "StopSearch") -> None:
        self._text = text
        self._hidden = hidden
        self._stops = stops

    def push(self, token: int) -> Emitted:
        """What `token` adds. Nothing after a stop."""
        return self._stops.push("" if token in self._hidden else self._text.push(token))

    def flush(self) -> Emitted:
        """What was held back as the possible beginning of a stop text; an unfinished character is dropped."""
        return self._stops.flush()


class StopSearch:
    """Finds the stop text that is complete first, wherever its borders fall; of two that end together, the longer.

    Which characters came together makes no difference to what is found. Empty stop texts are ignored.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self._stopped = False

    def push(self, text: str) -> Emitted:
        """What is part of the answer for certain, now that `text` has come."""
        if self._stopped:
            return Emitted("", True)
        text, self._held = self._held + text, ""
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self._stopped = True
            return Emitted(text[: min(found)[1]], True)
        keep = min((_beginning(text, stop) for stop in self._stops), default=len(text))
        self._held = text[keep:]
        return Emitted(text[:keep], False)

    def flush(self) -> Emitted:
        """What was held back: no stop text came of it."""
        text, self._held = self._held, ""
        return Emitted(text, self._stopped)


def _beginning(text: str, stop: str) -> int:
    """Where in `text` its longest end begins that is the beginning of `stop`; `len(text)` where there is none."""
    at = text.find(stop[0], max(0, len(text) - len(stop) + 1))
    while at >= 0 and not stop.startswith(text[at:]):
        at = text.find(stop[0], at + 1)
    return at if at >= 0 else len(text)


class _Text(Protocol):
    def push(self, token: int) -> str:
        """The characters that `token` completes."""
        ...


class _ByteLevel:
    """Byte-level BPE: every character of a token's name stands for one byte."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    def push(self, token: int) -> str:
        name = self._tokenizer.id_to_token(token) or ""
        try:
            piece = bytes(BYTE_OF[character] for character in name)
        except KeyError:  # an added token, written as itself
            piece = name.encode()
        return self._characters.decode(piece)


class _InContext:
    """Any other tokenizer: the text of the last tokens and the new one, less the text of the last tokens.

    Tokens that stand for one byte (`<0xE4>`) join the others when together they are characters.
    """

    def __init__(self, tokenizer: Tokenizer, byte_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._byte_tokens = byte_tokens
        self._context: deque[list[int]] = deque(maxlen=CONTEXT)
        self._ids: list[int] = []
        self._bytes = b""

    def push(self, token: int) -> str:
        match = BYTE_TOKEN.fullmatch(self._tokenizer.id_to_token(token) or "") if self._byte_tokens else None
        if match is None:
            self._ids, self._bytes = [], b""
            return self._take([token])
        self._ids.append(token)
        self._bytes += bytes.fromhex(match[1])
        while not _may_become_text(self._bytes):
            self._ids, self._bytes = self._ids[1:], self._bytes[1:]
        if not self._ids or not _is_text(self._bytes):
            return ""
        ids, self._ids, self._bytes = self._ids, [], b""
        return self._take(ids)

    def _take(self, ids: list[int]) -> str:
        context = list(chain.from_iterable(self._context))
        self._context.append(ids)
        return self._decode(context + ids)[len(self._decode(context)) :]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False)) if ids else ""


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_become_text(piece: bytes) -> bool:
    """True for characters and for the beginning of one."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(piece)
    except UnicodeDecodeError:
        return False
    return True


def _decoder_steps(tokenizer: Tokenizer) -> frozenset[str]:
    """The kinds of a tokenizer's decoder, those of a sequence one by one."""
    if tokenizer.decoder is None:
        return frozenset()
    waiting, steps = [json.loads(tokenizer.decoder.__getstate__())], set()
    while waiting:
        step = waiting.pop()
        waiting.extend(step.get("decoders", ()))
        if "decoders" not in step:
            steps.add(str(step["type"]))
    return frozenset(steps)


def _byte_characters() -> dict[str, int]:
    """The alphabet of byte-level BPE, as GPT-2 defined it: printable Latin-1 stands for itself, the others are moved to
    256 and up in their order."""
    plain = [byte for byte in range(256) if 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174]
    moved = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(moved)}


BYTE_OF = _byte_characters()
