"""The forms of Mistral: `[TOOL_CALLS]` before a JSON list of calls, or before a name, `[ARGS]` and the arguments."""

import re

from freehold.server.tools.call_object import CallObject
from freehold.server.tools.events import NewId, short_call_id
from freehold.server.tools.marked import MarkedParser

CALLS = "[TOOL_CALLS]"
CALL_ID = "[CALL_ID]"
ARGS = "[ARGS]"
_NAME = re.compile(r"([A-Za-z0-9_.-]{1,64}+)\s{0,8}+(?:\[CALL_ID\][A-Za-z0-9]{1,64}+\s{0,8}+)?\[ARGS\]\s{0,8}+(?=\{)")
_UNDECIDED = re.compile(r"[A-Za-z0-9_.-]{0,64}+\s{0,8}+(?:\[[A-Z_]{0,7}+\]?[A-Za-z0-9]{0,64}+\s{0,8}+){0,2}")
"""What may still become a name: all its quantifiers are bounded, and take what they can for good."""


class MistralParser(MarkedParser):
    """`[TOOL_CALLS] [{"name": ..., "arguments": {...}}, ...]`, or `[TOOL_CALLS]name[ARGS]{...}` once for each call."""

    marker = CALLS

    def __init__(self, new_id: NewId = short_call_id) -> None:
        super().__init__(new_id)
        self._listed = False

    def _opened(self) -> bool:
        """Right after the marker: a list, an object without one, or a name."""
        body = self._pending.lstrip()
        self._listed = body.startswith("[")
        if self._listed:
            self._marked += self._pending[: len(self._pending) - len(body) + 1]
            self._pending = body[1:]
            self._state = self._element
            return True
        named = _NAME.match(body)
        if named is not None:
            self._pending = body[named.end() :]
            self._call = CallObject(self._calls, self._new_id(), named[1])
            self._state = self._object
            return True
        if _UNDECIDED.fullmatch(body) and not self._last:
            return False
        return super()._opened()

    def _element(self) -> bool:
        """Where an element of the list begins."""
        return super()._opened()

    def _closed(self) -> bool:
        """Behind an element: a comma and the next one, or the end of the list."""
        body = self._pending.lstrip()
        if self._listed and not body and not self._last:
            return False
        more = self._listed and body.startswith(",")
        if more:
            self._marked = ","
            self._pending = body[1:]
        elif self._listed:
            self._pending = body.removeprefix("]")
        self._state = self._element if more else self._content
        return True
