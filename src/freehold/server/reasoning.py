"""The model's reasoning, split from its answer while both stream."""

from typing import NamedTuple


class Markers(NamedTuple):
    """What stands before and after the reasoning in a model's text."""

    start: str = "<think>"
    end: str = "</think>"


_KNOWN = (Markers(), Markers("[THINK]", "[/THINK]"))


def markers_of(template: str | None) -> Markers | None:
    """The markers that a chat template's source names; None for a model that does not reason."""
    return next((markers for markers in _KNOWN if template is not None and markers.end in template), None)


def opened(prompt: str, markers: Markers = _KNOWN[0]) -> bool:
    """Whether the rendered prompt ends inside reasoning, because the template wrote the start marker itself.

    A start marker earlier in the prompt is a message's text; a closed empty block (`enable_thinking` false) ends with
    the end marker.
    """
    return prompt.rstrip().endswith(markers.start)


class ReasoningSplitter:
    """Splits an answer that arrives in pieces into (reasoning, content).

    An answer holds one block of reasoning, at its beginning: with `opened` the text starts inside it, else a start
    marker opens it that only whitespace precedes. Later markers are content, so that a model can write about them.
    Newlines right after a marker are dropped. Only text that may turn out to be a marker is held back; how the text
    is cut into pieces never changes what the outputs join to.
    """

    def __init__(self, start: str = "<think>", end: str = "</think>", *, opened: bool) -> None:
        self._start = start
        self._end = end
        self._held = ""
        self._state = self._in_reasoning if opened else self._at_beginning
        self._trimming = opened  # newlines at the head of what comes next are dropped

    def push(self, text: str) -> tuple[str, str]:
        """The reasoning and the content that are certain by now."""
        self._held += text
        return self._state()

    def flush(self) -> tuple[str, str]:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return (held, "") if self._state == self._in_reasoning else ("", held)

    def _at_beginning(self) -> tuple[str, str]:
        seen = self._held.lstrip()
        if seen.startswith(self._start):
            self._held = seen.removeprefix(self._start)
            self._state, self._trimming = self._in_reasoning, True
            return self._state()
        if self._start.startswith(seen):
            return "", ""
        self._state = self._in_content
        return self._state()

    def _in_reasoning(self) -> tuple[str, str]:
        self._trim()
        reasoning, closed, rest = self._held.partition(self._end)
        if closed:
            self._held = rest
            self._state, self._trimming = self._in_content, True
            return reasoning, self._state()[1]
        held = possible_start(reasoning, self._end)
        self._held = reasoning[len(reasoning) - held :]
        return reasoning[: len(reasoning) - held], ""

    def _in_content(self) -> tuple[str, str]:
        self._trim()
        content, self._held = self._held, ""
        return "", content

    def _trim(self) -> None:
        if self._trimming:
            self._held = self._held.lstrip("\n")
            self._trimming = not self._held


def possible_start(text: str, marker: str) -> int:
    """How many characters at the end of `text` may be the beginning of `marker` (never all of it)."""
    longest = min(len(text), len(marker) - 1)
    return next((n for n in range(longest, 0, -1) if marker.startswith(text[-n:])), 0)
