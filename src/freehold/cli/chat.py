"""A conversation with a model in the terminal, for `freehold run`."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from math import inf
from typing import Any, TextIO

from freehold.config import ModelConfig
from freehold.engine.generation import TextEngine
from freehold.protocol.chat import ChatRequest, Delta
from freehold.protocol.generation import Object
from freehold.server.answer import Gathered, Step, read
from freehold.server.chat import usage_of
from freehold.server.chat_format import ChatFormat, Turn
from freehold.server.generation import engine_request

PROMPT = "> "
DIM, PLAIN = "\033[2m", "\033[0m"
UNSAFE = dict.fromkeys([*(code for code in range(32) if chr(code) not in "\n\t"), *range(127, 160)])
"""Control characters that a terminal would obey: a model must not move the cursor, nor retitle the window."""


class Conversation:
    """The messages so far, and the model that answers them. Without a chat template it continues texts, one by one."""

    def __init__(self, engine: TextEngine, model: ModelConfig) -> None:
        self._engine = engine
        self._model = model
        bare = engine.chat_template() is None
        self._format = None if bare else ChatFormat(engine, model.id, model.chat_template_kwargs)
        self._messages: list[Object] = []

    async def answer(self, text: str, screen: "Screen") -> dict[str, Any]:
        """Ask, show the answer while it comes, remember both, and return the answer as data.

        An answer that is interrupted counts as far as it came.
        """
        self._messages.append({"role": "user", "content": text})
        request = ChatRequest(messages=self._messages)
        turn = self._turn(text, request)
        asked = engine_request(self._engine, self._model.defaults, request, turn.prompt)
        gathered, last = Gathered(), None
        with suppress(asyncio.CancelledError):
            async with aclosing(read(self._engine.generate(asked, inf), turn.reader())) as steps:
                async for last in steps:
                    for delta in last.deltas:
                        gathered.add(delta)
                        screen.show(delta)
        screen.end()
        message = gathered.message()
        self._messages.append({"role": "assistant", "content": message.content or ""})
        return {"model": self._model.id, **_facts(message.content, message.reasoning_content, last)}

    def _turn(self, text: str, request: ChatRequest) -> Turn:
        if self._format is not None:
            return self._format.turn(request)
        return Turn(self._engine.encode(text, True), None, None, opened=False, form=None, one_call=False)


class Screen:
    """Shows deltas as they come: reasoning dimmed where a person watches and nowhere else, content as it is."""

    def __init__(self, out: TextIO | None) -> None:
        """None shows nothing."""
        self._out = out
        self._watched = out is not None and out.isatty()
        plain = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
        self._dim_on, self._dim_off = ("", "") if plain else (DIM, PLAIN)
        self._dimmed = False

    def show(self, delta: Delta) -> None:
        """Show what `delta` adds."""
        if self._out is None:
            return
        text = delta.reasoning_content if self._watched and delta.reasoning_content else delta.content
        if text:
            self._dim(text is delta.reasoning_content)
            self._out.write(text.translate(UNSAFE) if self._watched else text)
            self._out.flush()

    def end(self) -> None:
        """The answer is over."""
        if self._out is not None:
            self._dim(False)
            self._out.write("\n")
            self._out.flush()

    def _dim(self, on: bool) -> None:
        if self._out is not None and self._watched and on != self._dimmed:
            self._out.write(self._dim_on if on else f"{self._dim_off}\n")
            self._dimmed = on


async def converse(engine: TextEngine, model: ModelConfig, words: Sequence[str], as_json: bool) -> list[dict[str, Any]]:
    """Every answer as data: to `words` as one question, else to each line that is typed or piped in.

    With `as_json` nothing is shown while an answer comes. Ctrl-C stops an answer; between answers it leaves, as the end
    of the input does.
    """
    conversation = Conversation(engine, model)
    screen = Screen(None if as_json else sys.stdout)
    loop = asyncio.get_running_loop()
    answers = []
    with _on_interrupt(signal.SIG_IGN):
        for text in [" ".join(words)] if words else _lines():
            task = asyncio.ensure_future(conversation.answer(text, screen))
            with _on_interrupt(lambda *_, task=task: loop.call_soon_threadsafe(task.cancel)):
                answers.append(await task)
    return answers


def _lines() -> Iterator[str]:
    """What a person types, or what comes through a pipe, line by line; blank lines are no questions."""
    watched = sys.stdin.isatty() and sys.stdout.isatty()  # a prompt is no part of what a program reads
    if watched:
        with suppress(ImportError):
            import readline  # noqa: F401 - `input` edits lines and remembers them once it is there
    while True:
        try:
            with _on_interrupt(signal.default_int_handler):
                line = input(PROMPT) if watched else sys.stdin.readline() or None
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if line is None:
            return
        if line.strip():
            yield line.strip()


@contextmanager
def _on_interrupt(act: Any) -> Iterator[None]:
    """What Ctrl-C does until the block ends."""
    before = signal.signal(signal.SIGINT, act)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _facts(content: str | None, reasoning: object, last: Step | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"content": content or ""}
    if isinstance(reasoning, str):
        facts["reasoning_content"] = reasoning
    if last is not None:
        usage = usage_of({0: last.piece})
        facts["finish_reason"] = last.finish or "interrupted"
        facts["usage"] = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return facts
