"""One tool call as a JSON object, read while it streams: its name, then its arguments piece by piece."""

import json
import re
from enum import Enum, auto

from freehold.server.tools.events import CallArguments, CallBegin, CallEnd, Event

_HEAD = re.compile(
    r'\{\s*(?:"type"\s*:\s*"function"\s*,\s*)?"name"\s*:\s*"([^"\\]+)"\s*,'
    r'\s*"(?:arguments|parameters)"\s*:\s*(?=\{)'
)
_FIRST_KEY = re.compile(r'\{\s*(?:"([^"\\]*)["\\]|[^\s"])')
_KEYS = frozenset({"name", "arguments", "parameters", "type", "id"})


class Extent:
    """Where a JSON object or list ends, found without parsing it."""

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def end(self, text: str) -> int | None:
        """The position in `text` (the next piece of the object) behind the closing bracket; None before it."""
        for position, character in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = character == "\\"
                self._quoted = character != '"'
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return position + 1
        return None


class Progress(Enum):
    """How far the reading of a call has come."""

    OPEN = auto()
    DONE = auto()
    BROKEN = auto()  # no call: what was read is in `rest`, unless the call had begun


class CallObject:
    """Reads `{"name": ..., "arguments": {...}}` (or `parameters`) from pieces of text.

    When the name comes first and the arguments next, as every known model writes them, the arguments stream. In any
    other order the object is read whole. Arguments that are an object inside a string are unpacked. With a `name`,
    which the form wrote before the object, the object is the arguments.
    """

    def __init__(self, index: int, new_id: str, name: str | None = None) -> None:
        self._index = index
        self._id = new_id
        self._name = name
        self._raw = ""  # until the call begins: all of it; then: what was read of the object and is not arguments
        self._whole = Extent()
        self._arguments: Extent | None = None  # while they stream
        self.begun = False
        self.progress = Progress.OPEN
        self.rest = ""  # what follows the object, or what could not be read as one

    def push(self, text: str) -> list[Event]:
        """The events of this piece. Read `progress` after it; text after the object is in `rest`."""
        if self._arguments is not None:
            return self._stream(text)
        if self.begun:
            return self._tail(text)
        if self._name is not None:
            self._arguments, self.begun = Extent(), True
            return [CallBegin(self._index, self._id, self._name), *self._stream(text)]
        self._raw += text
        key = _FIRST_KEY.match(self._raw)
        if not "{".startswith(self._raw[:1]) or (key is not None and key[1] not in _KEYS):
            return self._break(self._raw)
        head = _HEAD.match(self._raw)
        if head is not None:
            self._arguments, self._whole = Extent(), Extent()
            self._whole.end("{")
            rest, self._raw, self.begun = self._raw[head.end() :], "", True
            return [CallBegin(self._index, self._id, head[1]), *self._stream(rest)]
        end = self._whole.end(text)
        return [] if end is None else self._at_once(len(self._raw) - len(text) + end)

    def flush(self) -> list[Event]:
        """The end of an answer that breaks off in the midst of the object."""
        if not self.begun:
            return self._break(self._raw)
        self.progress, self.rest = Progress.DONE, self._raw
        return [CallEnd(self._index)]

    def _stream(self, text: str) -> list[Event]:
        assert self._arguments is not None
        end = self._arguments.end(text)
        if end is None:
            return [CallArguments(self._index, text)] if text else []
        self._arguments = None
        if self._name is not None:
            self.progress, self.rest = Progress.DONE, text[end:]
            return [CallArguments(self._index, text[:end]), CallEnd(self._index)]
        return [CallArguments(self._index, text[:end]), *self._tail(text[end:])]

    def _tail(self, text: str) -> list[Event]:
        """What follows the arguments: the closing bracket, or further keys, which nobody asked for."""
        if not self._raw:
            text = text.lstrip()
            if not text:
                return []
            if text[0] not in ",}":
                return self._break(text)
        self._raw += text
        end = self._whole.end(text)
        if end is None:
            return []
        self.progress, self.rest = Progress.DONE, text[end:]
        return [CallEnd(self._index)]

    def _at_once(self, end: int) -> list[Event]:
        raw, rest = self._raw[:end], self._raw[end:]
        call = _decoded(raw)
        name, arguments = _name_and_arguments(call) if isinstance(call, dict) else (None, None)
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            return self._break(self._raw)
        self.progress, self.rest, self.begun = Progress.DONE, rest, True
        fragment = json.dumps(arguments, ensure_ascii=False)
        return [CallBegin(self._index, self._id, name), CallArguments(self._index, fragment), CallEnd(self._index)]

    def _break(self, rest: str) -> list[Event]:
        self.progress, self.rest = Progress.BROKEN, rest
        return [CallEnd(self._index)] if self.begun else []


def _name_and_arguments(call: dict[str, object]) -> tuple[object, object]:
    arguments = call.get("arguments", call.get("parameters"))
    if isinstance(arguments, str):
        arguments = _decoded(arguments)
    return (call.get("name") if call.keys() <= _KEYS else None), ({} if arguments is None else arguments)


def _decoded(text: str) -> object:
    """The JSON value; False where there is none, or where it holds half a surrogate pair, which UTF-8 cannot carry."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return value
