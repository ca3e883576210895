"""What an answer in words says: the text of each choice and the tools that it calls, whole or from an event stream.

Read are the answers of OpenAI's chat/completions, completions and responses, and of the Open Inference Protocol's
generate and generate_stream. Identifiers, times, usage, logarithms of probabilities and thoughts are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class Said:
    """One choice. `ending` is why it ended there: its finish reason, "error", or "" where none was told; `calls` are
    names of tools and their arguments, as they were written."""

    text: str
    ending: str
    calls: tuple[tuple[str, str], ...] = ()


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    index: int | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Part(msgspec.Struct):
    text: str | None = None
    refusal: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    """Of an answer (`message`), of a piece of one (`delta`), or of a completion (`text`)."""

    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Item(msgspec.Struct):
    """An entry of a response's `output`."""

    type: str = "message"
    content: list[_Part] | None = None
    name: str | None = None
    arguments: Any = None


class _Response(msgspec.Struct):
    status: str = ""
    output: list[_Item] = []


class _Answer(msgspec.Struct):
    """An answer, or one event of its stream, of any of these APIs."""

    choices: list[_Choice] | None = None
    text_output: str | None = None
    output: list[_Item] | None = None
    status: str = ""
    response: _Response | None = None
    error: Any = None


@dataclass
class _Growing:
    """A choice that is put together."""

    pieces: list[str] = field(default_factory=list)
    ending: str = ""
    calls: dict[int, tuple[list[str], list[str]]] = field(default_factory=dict)

    def call(self, place: int | None, name: str | None, arguments: object) -> None:
        """A call, or the next piece of one; servers that number none send each one whole."""
        if place is None:
            place = len(self.calls) - (0 if name else 1)
        names, written = self.calls.setdefault(place, ([], []))
        names.append(name or "")
        if arguments is not None:
            written.append(arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode())

    def said(self) -> Said:
        calls = (("".join(names), "".join(written)) for _, (names, written) in sorted(self.calls.items()))
        return Said("".join(self.pieces), self.ending, tuple(calls))


_ANSWER = msgspec.json.Decoder(_Answer)


def whole(body: bytes) -> tuple[Said, ...] | None:
    """The choices of an answer in one piece; None when it is not one of these. Raises msgspec.DecodeError and
    UnicodeDecodeError."""
    return _together(iter((body,)))


def streamed(body: bytes) -> tuple[Said, ...] | None:
    """The choices of an event stream, put together; None when it is not one of these. Raises as `whole` does."""
    return _together(data for data in events(body) if data.strip() != b"[DONE]")


def events(body: bytes) -> Iterator[bytes]:
    """The data of each event (WHATWG HTML, 9.2.6); comments and events without data are left out."""
    lines = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for event in lines.split(b"\n\n"):
        told = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
        if told:
            yield b"\n".join(told)


def _together(answers: Iterator[bytes]) -> tuple[Said, ...] | None:
    growing: dict[int, _Growing] = {}
    broken = False
    for data in answers:
        answer = _ANSWER.decode(data)
        if answer.choices is not None:
            for choice in answer.choices:
                _grow(growing.setdefault(choice.index, _Growing()), choice)
        elif answer.text_output is not None:
            growing.setdefault(0, _Growing()).pieces.append(answer.text_output)
        elif answer.output is not None:
            growing[0] = _of_response(_Response(answer.status, answer.output))
        elif answer.response is not None and answer.response.output:  # the last event of a stream has all of it
            growing[0] = _of_response(answer.response)
        broken |= answer.error is not None
    if broken:
        growing.setdefault(0, _Growing()).ending = "error"
    return tuple(growing[place].said() for place in sorted(growing)) or None


def _grow(choice: _Growing, more: _Choice) -> None:
    message = more.message or more.delta
    choice.ending = more.finish_reason or choice.ending
    if more.text is not None:
        choice.pieces.append(more.text)
    if message is not None:
        parts = [_Part(message.content)] if isinstance(message.content, str) else message.content or []
        choice.pieces += [*(part.text or part.refusal or "" for part in parts), message.refusal or ""]
        for call in message.tool_calls or ():
            choice.call(call.index, call.function.name, call.function.arguments)


def _of_response(response: _Response) -> _Growing:
    choice = _Growing(ending=response.status)
    for item in response.output:
        if item.type == "function_call":
            choice.call(None, item.name, item.arguments)
        elif item.type == "message":
            choice.pieces += [part.text or part.refusal or "" for part in item.content or ()]
    return choice
