"""How Dify's plugin reads a stream, and a forgiving reading beside it.

The plugin splits the decoded body at its delimiter, "\\n\\n" unless the user typed another, as `requests` does in
`iter_lines(delimiter=...)`; where the pieces were cut makes no difference. Source: openai_api_compatible 0.0.63.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DELIMITER = "\n\n"
NON_JSON = "Non-JSON encountered."
"""The finish_reason that the plugin makes up where a frame is no JSON; what follows is not read."""


@dataclass
class Call:
    """A tool call, put together from its fragments."""

    id: str | None
    name: str = ""
    arguments: str = ""


@dataclass
class Heard:
    """What Dify has of a stream when it ended."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    calls: list[Call] = field(default_factory=list)
    raised: str = ""
    """The exception that the plugin ends with, "" for none."""


def hear(text: str, delimiter: str = DELIMITER) -> Heard:
    """The plugin's reading of a whole stream."""
    heard = Heard()
    for frame in text.split(delimiter):
        line = frame.strip()
        if not line or line.startswith(":"):
            continue
        data = line.removeprefix("data:").lstrip()
        if data == "[DONE]":
            continue
        try:
            chunk = json.loads(data)
        except ValueError:
            heard.finish_reason = NON_JSON
            break
        if not _take(heard, chunk):
            break
    return heard


def _take(heard: Heard, chunk: Any) -> bool:
    """Add one chunk; False where the plugin raises."""
    if not isinstance(chunk, dict) or "choices" not in chunk:
        error = chunk.get("error") if isinstance(chunk, dict) else None
        heard.raised = f"ValueError: {error}" if error else "KeyError: 'choices'"
        return False
    heard.usage = chunk.get("usage") or heard.usage
    try:
        for choice in chunk["choices"][:1]:
            _add(heard, choice)
    except (TypeError, AttributeError) as error:  # of another shape: the plugin fails in these ways, too
        heard.raised = f"{type(error).__name__}: {error}"
        return False
    return True


def _add(heard: Heard, choice: Mapping[str, Any]) -> None:
    heard.finish_reason = choice.get("finish_reason") or heard.finish_reason
    delta = choice.get("delta") or {}
    heard.text += choice.get("text") or delta.get("content") or ""
    heard.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
    for fragment in delta.get("tool_calls") or ():
        _merge(heard.calls, fragment)


def _merge(calls: list[Call], fragment: Mapping[str, Any]) -> None:
    """A fragment belongs to the call of its id, one without an id to the last call."""
    id_ = fragment.get("id") or None
    call = next((call for call in calls if call.id == id_), None) if id_ else next(reversed(calls), None)
    if call is None:
        call = Call(id_)
        calls.append(call)
    function = fragment.get("function") or {}
    call.name = function.get("name") or call.name
    call.arguments += function.get("arguments") or ""


def blocks(text: str) -> list[list[str]]:
    """The lines of each event by the standard's own rule: any of the three line ends, an empty line between events."""
    events = re.split(r"\n{2,}", _with_line_feeds(text).strip("\n"))
    return [event.split("\n") for event in events if event]


def chunks(text: str) -> list[Any]:
    """Every data line that is JSON, however its frame ends."""
    found = []
    for line in _with_line_feeds(text).split("\n"):
        try:
            found.append(json.loads(line.removeprefix("data:")) if line.startswith("data:") else None)
        except ValueError:
            continue
    return [chunk for chunk in found if chunk is not None]


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def heard_kindly(text: str) -> Heard:
    """The same reading where frames may end in any way: what the server meant."""
    heard = Heard()
    for chunk in chunks(text):
        if isinstance(chunk, dict):
            _take(heard, {"choices": [], **chunk})
    return heard
