"""One answer of a chat as it comes: reasoning split off, calls of tools read out, the rest content."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from freehold.engine.generation import Piece
from freehold.protocol.chat import AnsweredCall, AnsweredFunction, AnsweredMessage, Delta
from freehold.protocol.generation import FinishReason
from freehold.server.reasoning import ReasoningSplitter
from freehold.server.tools.events import CallArguments, CallBegin, CallEnd, Event, Text, ToolCallParser


class Step(NamedTuple):
    """What one piece of the model's text came to. The last step of an answer has the reason of its end."""

    deltas: list[Delta]
    finish: FinishReason | None
    piece: Piece


class AnswerReader:
    """Reads the text of one answer. Without a splitter or a parser, that part of its work falls away."""

    def __init__(
        self, splitter: ReasoningSplitter | None, parser: ToolCallParser | None, *, one_call: bool = False
    ) -> None:
        """`one_call`: the answer ends behind its first call of a tool."""
        self._splitter = splitter
        self._parser = parser
        self._one_call = one_call
        self._calls = 0
        self._over = False
        self._begun = False

    def read(self, piece: Piece) -> Step:
        """What `piece` adds. Text that may still become a marker is held back, at most to the last piece."""
        deltas = self._text(piece.text)
        if piece.finish is not None and not self._over:
            deltas += self._rest()
        finish = self._reason(piece)
        if finish is not None and not (deltas or self._begun):
            deltas.append(Delta(content=""))
        if deltas and not self._begun:
            self._begun = True
            deltas[0].role = "assistant"
        return Step(deltas, finish, piece)

    def _reason(self, piece: Piece) -> FinishReason | None:
        if self._over or (piece.finish == "stop" and self._calls):
            return "tool_calls"
        return piece.finish

    def _text(self, text: str) -> list[Delta]:
        if self._splitter is None:
            return self._content(text)
        reasoning, content = self._splitter.push(text)
        return [*_reasoned(reasoning), *self._content(content)]

    def _rest(self) -> list[Delta]:
        """What was held back."""
        deltas = []
        if self._splitter is not None:
            reasoning, content = self._splitter.flush()
            deltas = [*_reasoned(reasoning), *self._content(content)]
        if self._parser is not None:
            deltas += self._deltas(self._parser.flush())
        return deltas

    def _content(self, text: str) -> list[Delta]:
        if not text:
            return []
        return [Delta(content=text)] if self._parser is None else self._deltas(self._parser.push(text))

    def _deltas(self, events: list[Event]) -> list[Delta]:
        deltas = []
        for event in events:
            match event:
                case Text(text):
                    deltas.append(Delta(content=text))
                case CallBegin(index, id_, name):
                    self._calls += 1
                    call = AnsweredCall(index, id_, "function", AnsweredFunction(name, ""))
                    deltas.append(Delta(tool_calls=[call]))
                case CallArguments(index, fragment):
                    call = AnsweredCall(index, function=AnsweredFunction(arguments=fragment))
                    deltas.append(Delta(tool_calls=[call]))
                case CallEnd() if self._one_call:
                    self._over = True
                    break
        return deltas


def _reasoned(text: str) -> list[Delta]:
    return [Delta(reasoning_content=text)] if text else []


async def read(pieces: AsyncGenerator[Piece, None], reader: AnswerReader) -> AsyncGenerator[Step, None]:
    """The steps of one answer. The pieces are closed when it is over for the reader, or when nobody listens."""
    async with aclosing(pieces):
        async for piece in pieces:
            step = reader.read(piece)
            yield step
            if step.finish is not None:
                return


class Gathered:
    """The whole message that deltas come to."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[tuple[str, str, list[str]]] = []

    def add(self, delta: Delta) -> None:
        """Add one delta."""
        if isinstance(delta.content, str):
            self._content.append(delta.content)
        if isinstance(delta.reasoning_content, str):
            self._reasoning.append(delta.reasoning_content)
        for call in delta.tool_calls or ():
            function = call.function
            assert isinstance(function, AnsweredFunction)
            if isinstance(call.id, str) and isinstance(function.name, str):
                self._calls.append((call.id, function.name, []))
            if isinstance(function.arguments, str):
                self._calls[-1][2].append(function.arguments)

    def message(self) -> AnsweredMessage:
        """The message; its content is null where it only called tools."""
        content = "".join(self._content)
        message = AnsweredMessage("assistant", None if self._calls and not content else content)
        if self._reasoning:
            message.reasoning_content = "".join(self._reasoning)
        if self._calls:
            message.tool_calls = [
                AnsweredCall(id=id_, type="function", function=AnsweredFunction(name, "".join(fragments)))
                for id_, name, fragments in self._calls
            ]
        return message
