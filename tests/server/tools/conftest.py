"""Parsers over texts cut into pieces, and grammars over tokenizers."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from freehold.server.tools.events import CallArguments, CallBegin, CallEnd, Event, NewId, Text, ToolCallParser

Parse = Callable[..., list[Event]]


def joined(events: Sequence[Event]) -> list[Event]:
    """Neighbouring texts, and neighbouring fragments of one call, as one."""
    done: list[Event] = []
    for event in events:
        match (done[-1] if done else None), event:
            case Text(before), Text(text):
                done[-1] = Text(before + text)
            case CallArguments(index, before), CallArguments(_, fragment):
                done[-1] = CallArguments(index, before + fragment)
            case _:
                done.append(event)
    return done


@pytest.fixture
def parse() -> Parse:
    """Run a parser over pieces: events joined, ids counted from "0"; a call's events stand together and in order."""

    def run(parser: Callable[[NewId], ToolCallParser], *pieces: str) -> list[Event]:
        numbers = itertools.count()
        one = parser(lambda: str(next(numbers)))
        events = joined([event for piece in pieces for event in one.push(piece)] + one.flush())
        is_open: list[int] = []
        begun = 0
        for event in events:
            match event:
                case CallBegin(index):
                    assert (is_open, index) == ([], begun)
                    is_open, begun = [index], begun + 1
                case CallArguments(index):
                    assert is_open == [index]
                case CallEnd(index):
                    assert is_open == [index]
                    is_open = []
                case Text(text):
                    assert text
                    assert not is_open
        assert not is_open
        return events

    return run


@pytest.fixture
def call() -> Callable[..., list[Event]]:
    """The events of a whole call."""

    def events(index: int, name: str, arguments: str) -> list[Event]:
        return [CallBegin(index, str(index), name), CallArguments(index, arguments), CallEnd(index)]

    return events


class Bytes:
    """A tokenizer of single bytes, with marks as tokens of their own where asked, and grammars over it."""

    def __init__(self, *marks: str) -> None:
        vocabulary = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
        self._tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
        self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.decoder = decoders.ByteLevel()
        self._tokenizer.add_special_tokens(["<|end|>", *marks])
        self.ids = {mark: self._tokenizer.token_to_id(mark) for mark in marks}
        end = self._tokenizer.token_to_id("<|end|>")
        self._machine = LLTokenizer(self._tokenizer.to_str(), eos_token=end)

    def encode(self, text: str) -> list[int]:
        """Token ids without specials added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def accepts(self, grammar: str, text: str) -> bool:
        """Whether the grammar compiles, takes the text whole, and may end there."""
        matcher = LLMatcher(self._machine, grammar)
        assert not matcher.is_error(), matcher.get_error()
        ids = self.encode(text)
        return matcher.try_consume_tokens(ids) == len(ids) and bool(matcher.is_accepting())


@pytest.fixture(scope="session")
def bytes_of() -> Callable[..., Bytes]:
    """Makes a tokenizer of bytes."""
    return Bytes


def tool(name: str = "get_weather", parameters: Any = None, **more: Any) -> dict[str, Any]:
    """A tool in OpenAI's form."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters or schema, **more}}


@pytest.fixture
def make_tool() -> Callable[..., dict[str, Any]]:
    """A tool in OpenAI's form."""
    return tool
