"""What a parser of tool calls makes of a model's text: the answer's content and its calls, in order."""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer's content."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegin:
    """A call of the tool `name` begins. `index` counts the answer's calls from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A piece of the JSON text of the arguments; the pieces of one call join to what the model wrote."""

    index: int
    fragment: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """The call is complete, or the answer ended in the midst of it."""

    index: int


Event = Text | CallBegin | CallArguments | CallEnd


class ToolCallParser(Protocol):
    """Reads an answer as it streams. A call's events come one after another, never mixed with another call's.

    Nothing is lost: what looks like a call and is none becomes content, except that whitespace between calls, and
    between a call and content, is dropped. How the answer is cut into pieces never changes what the events join to.
    """

    def push(self, text: str) -> list[Event]:
        """The events that are certain with this piece of the answer."""
        ...

    def flush(self) -> list[Event]:
        """The events that were held back, at the end of the answer."""
        ...


NewId = Callable[[], str]


def call_id() -> str:
    """An id as OpenAI's API gives them."""
    return f"call_{secrets.token_hex(12)}"


def short_call_id() -> str:
    """Nine letters and digits: the only ids that Mistral's templates take back."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(9))
