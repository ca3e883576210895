"""What the parsers of all forms share: content until a marker, then calls, then content again."""

from freehold.server.reasoning import possible_start
from freehold.server.tools.call_object import CallObject, Progress
from freehold.server.tools.events import CallArguments, Event, NewId, Text

LONGEST_GAP = 64
"""Whitespace before a marker beyond so many characters is content: what is held back must stay small."""


class MarkedParser:
    """A state machine over the text that is pending. A state consumes what it is sure of and returns whether the next
    state may go on; at the end of the answer (`_last`) nothing more will come, so it decides with what there is."""

    marker: str

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._pending = ""
        self._last = False
        self._events: list[Event] = []
        self._state = self._content
        self._marked = ""  # the marker of the call that is being read, with the whitespace around it
        self._call: CallObject | None = None
        self._calls = 0
        self._after_call = False

    def push(self, text: str) -> list[Event]:
        """The events that are certain with this piece of the answer."""
        self._pending += text
        while self._pending and self._state():
            pass
        events, self._events = self._events, []
        return _merged(events)

    def flush(self) -> list[Event]:
        """The events that were held back, at the end of the answer."""
        self._last = True
        while self._state():
            pass
        self._emit(self._marked + self._pending)
        self._marked = self._pending = ""
        events, self._events = self._events, []
        return _merged(events)

    def _content(self) -> bool:
        """Content up to the marker. Whitespace is held back while a marker may follow it."""
        before, found, after = self._pending.partition(self.marker)
        if found:
            text = before[: len(before) - _gap(before)]
            self._marked, self._pending = before[len(text) :] + found, after
            self._state = self._opened
        else:
            text = before if self._last else _certain(before, self.marker)
            self._pending = before[len(text) :]
        self._emit(text)
        return bool(found)

    def _opened(self) -> bool:
        """Right after the marker: a call object, or no call at all."""
        body = self._pending.lstrip()
        if not body:
            return False
        if not body.startswith("{"):
            return self._no_call()
        self._marked += self._pending[: len(self._pending) - len(body)]
        self._pending = body
        self._begin_object()
        return True

    def _begin_object(self) -> None:
        self._call = CallObject(self._calls, self._new_id())
        self._state = self._object

    def _object(self) -> bool:
        """Inside a call object."""
        call = self._call
        assert call is not None
        pending, self._pending = self._pending, ""
        self._events += call.push(pending) if pending else []
        if self._last and call.progress is Progress.OPEN:
            self._events += call.flush()
        if call.progress is Progress.OPEN:
            return False
        self._call, self._pending = None, call.rest
        if call.begun:
            self._marked, self._after_call = "", True
            self._calls += 1
            self._state = self._closed
            return True
        return self._no_call()

    def _closed(self) -> bool:
        """Behind a call object."""
        self._state = self._content
        return True

    def _no_call(self) -> bool:
        """What the marker announced is no call: the marker is content, and what follows it is read again.

        An answer that ends in the midst of what might be a call is content as it is: to read on behind each of many
        markers would take time in the square of its length.
        """
        marked, self._marked = self._marked, ""
        if self._last:
            marked, self._pending = marked + self._pending, ""
        self._emit(marked)
        self._state = self._content
        return True

    def _emit(self, text: str) -> None:
        if self._after_call:
            text = text.lstrip()
        if text:
            self._after_call = False
            self._events.append(Text(text))


def _certain(text: str, marker: str) -> str:
    """`text` without an end that may belong to a call."""
    text = text[: len(text) - possible_start(text, marker)]
    return text[: len(text) - _gap(text)]


def _gap(text: str) -> int:
    """How much whitespace at the end of `text` is dropped before a call."""
    tail = text[-LONGEST_GAP:]
    return len(tail) - len(tail.rstrip())


def _merged(events: list[Event]) -> list[Event]:
    """Neighbouring texts, and neighbouring fragments of one call, as one."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Text) and isinstance(last, Text):
            merged[-1] = Text(last.text + event.text)
        elif isinstance(event, CallArguments) and isinstance(last, CallArguments) and event.index == last.index:
            merged[-1] = CallArguments(event.index, last.fragment + event.fragment)
        else:
            merged.append(event)
    return merged
