"""Protobuf's text format, as `config.pbtxt` is written in: a tree of fields that know their line.

The grammar is protobuf.dev's "Text Format Language Specification", without extensions and `Any`. No schema is needed:
every field holds the list of its values, since only a schema could tell a field that may be repeated from one that
was written once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from freehold.config.document import Node
from freehold.errors import FreeholdError

DEEPEST = 64
"""How far messages may lie inside one another: far deeper than any configuration, far from Python's own limit."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v\n]+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>-?[ \t]*(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?)(?![\w.]))
    |(?P<word>-?[A-Za-z_]\w*)
    |(?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.ASCII)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CLOSING = {"{": "}", "<": ">", "[": "]"}
_WORDS = {"true": True, "false": False, "inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse_text_format(text: str, file: str) -> Node:
    """The message in `text`: {field: [values]}, where a value is a message, a text, a number, a truth or an enum's
    name as text. `file` names it in messages. Raises FreeholdError `repository_file_invalid`.
    """
    return _Reader(text, file).message("", 0)


class _Reader:
    """Reads one message after the other from a list of tokens."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.tokens = [*self._tokens(text)]
        self.place = 0

    def message(self, end: str, depth: int) -> Node:
        """The fields up to the mark `end`, which is taken too; "" is the end of the file."""
        begun = self._next.line
        if depth > DEEPEST:
            raise self._wrong("messages are nested too deeply")
        fields: dict[str, list[Node]] = {}
        while not self._take(end):
            name = self._next
            if name.kind != "word":
                raise self._wrong(f"a field's name was expected, not {_shown(name)}")
            self.place += 1
            values = fields.setdefault(name.text, [])
            colon = self._take(":")
            values += self._values(depth, message_wanted=not colon)
            if self._next.text in {",", ";"} and self._next.kind == "mark":
                self.place += 1
        return Node({key: Node(found, self.file, found[0].line if found else begun) for key, found in fields.items()},
                    self.file, begun)  # fmt: skip

    def _values(self, depth: int, *, message_wanted: bool) -> list[Node]:
        """What stands behind a field's name: one value, or a list in brackets."""
        if not self._take("["):
            return [self._value(depth, message_wanted=message_wanted)]
        values: list[Node] = []
        while not self._take("]"):
            if values and not self._take(","):
                raise self._wrong(f"`,` or `]` was expected, not {_shown(self._next)}")
            values.append(self._value(depth, message_wanted=False))
        return values

    def _value(self, depth: int, *, message_wanted: bool) -> Node:
        token = self._next
        for opening in ("{", "<"):
            if self._take(opening):
                return self.message(_CLOSING[opening], depth + 1)
        if message_wanted:
            raise self._wrong(f"`:` or `{{` was expected, not {_shown(token)}")
        if token.kind == "string":
            return Node(self._string(), self.file, token.line)
        if token.kind not in {"number", "word"}:
            raise self._wrong(f"a value was expected, not {_shown(token)}")
        self.place += 1
        if token.kind == "word":
            return Node(_WORDS.get(token.text, token.text), self.file, token.line)
        return Node(_number(token.text), self.file, token.line)

    def _string(self) -> str:
        """Strings that follow one another are one."""
        parts = b""
        while self._next.kind == "string":
            try:
                parts += _unescaped(self._next.text[1:-1])
            except (ValueError, OverflowError):
                raise self._wrong("a string has an escape that stands for no character") from None
            self.place += 1
        return parts.decode("utf-8", "replace")

    @property
    def _next(self) -> _Token:
        return self.tokens[self.place]

    def _take(self, mark: str) -> bool:
        """Step over `mark` if it is next; "" is the end of the file, which is stayed at."""
        token = self._next
        if token.text != mark or token.kind not in {"mark", "end"}:
            return False
        self.place += token.kind == "mark"
        return True

    def _tokens(self, text: str) -> Iterator[_Token]:
        place, line = 0, 1
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                character = text[place] if text[place].isprintable() else f"U+{ord(text[place]):04X}"
                raise self._refusal(line, f"{character!r} is no part of this format")
            if match.lastgroup != "space":
                yield _Token(str(match.lastgroup), match.group(), line)
            line += match.group().count("\n")
            place = match.end()
        yield _Token("end", "", line)

    def _wrong(self, reason: str) -> FreeholdError:
        return self._refusal(self._next.line, reason)

    def _refusal(self, line: int, reason: str) -> FreeholdError:
        return FreeholdError("repository_file_invalid", where=f"{self.file}:{line}", reason=reason)


def _shown(token: _Token) -> str:
    return f"`{token.text[:40]}`" if token.text else "the end of the file"


def _number(text: str) -> int | float:
    digits = "".join(text.split()).lower()
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    if digits.startswith("0x"):
        return sign * int(digits, 16)
    if re.fullmatch("0[0-7]+", digits):
        return sign * int(digits, 8)
    return sign * (int(digits) if digits.isdigit() else float(digits.rstrip("f")))


def _unescaped(text: str) -> bytes:
    """The bytes that a quoted text stands for. Raises ValueError or OverflowError for what is no character."""
    parts, end = [], 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[end : match.start()].encode())
        octal, hexadecimal, short, long, letter = match.groups()
        if octal or hexadecimal:
            parts.append(bytes([int(octal, 8) if octal else int(hexadecimal, 16)]))
        else:
            character = chr(int(short or long, 16)) if short or long else _LETTERS.get(letter, letter)
            parts.append(character.encode())
        end = match.end()
    return b"".join([*parts, text[end:].encode()])
