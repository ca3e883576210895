"""OpenAI's chat: `POST /v1/chat/completions`, its messages and tools, its answer whole and in frames."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.generation import (
    MOST_ALTERNATIVES,
    FinishReason,
    GenerationFields,
    Object,
    Usage,
    invalid,
    refuse,
)


class ChatRequest(GenerationFields, frozen=True, kw_only=True):
    """`POST /v1/chat/completions`. Messages and tools are the chat template's to read and to judge."""

    messages: list[Object]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Object] | None = None
    tool_choice: str | Object | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: Object | None = None
    enable_thinking: bool | None = None
    modalities: list[str] | None = None
    audio: Any = None
    functions: Any = None
    function_call: Any = None
    web_search_options: Any = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None

    @property
    def token_limit(self) -> int | None:
        """The most tokens of an answer, under its newer or its older name; None for none."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int | None:
        """How many likely tokens to show beside each token taken; None: no logarithms at all."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def usable_tools(self) -> list[Object]:
        """The tools that the model is told of; none when `tool_choice` is "none"."""
        return [] if self.tool_choice == "none" else self.tools or []

    def check(self) -> None:
        """Raises FreeholdError of kind INVALID for what msgspec's types do not say."""
        self.check_fields()
        if self.max_completion_tokens is not None and self.max_completion_tokens < 1:
            raise invalid("max_completion_tokens", self.max_completion_tokens, "a whole number from 1")
        if self.top_logprobs is not None and not 0 <= self.top_logprobs <= MOST_ALTERNATIVES:
            raise invalid("top_logprobs", self.top_logprobs, f"from 0 to {MOST_ALTERNATIVES}")
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs", self.top_logprobs, "sent together with `logprobs: true`")
        refuse("functions", self.functions, instead="tools")
        refuse("function_call", self.function_call, instead="tool_choice")
        refuse("audio", self.audio)
        for other in set(self.modalities or ()) - {"text"}:
            refuse(f"modalities: {wire.brief(other)}", True)
        refuse("web_search_options", self.web_search_options)
        if not self.messages:
            raise FreeholdError("list_empty", field="messages")


class Alternative(msgspec.Struct):
    """A token and how likely it was. `bytes` join to the answer in UTF-8; one token may hold part of a character."""

    token: str
    logprob: float
    bytes: list[int]


class TokenInfo(msgspec.Struct):
    """The token that was taken, and the most likely ones at its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[Alternative]


class Logprobs(msgspec.Struct):
    """One entry a token of the answer, special ones included."""

    content: list[TokenInfo]


class AnsweredFunction(msgspec.Struct, omit_defaults=True):
    """A whole call, or a fragment of one: the name comes first, alone."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class AnsweredCall(msgspec.Struct, omit_defaults=True):
    """A call of a tool. Of the fragments of a call only the first has `id`, `type` and the name."""

    index: int | UnsetType = UNSET
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: AnsweredFunction | UnsetType = UNSET


class AnsweredMessage(msgspec.Struct):
    """What the model said. `content` is null when it only called tools."""

    role: Literal["assistant"]
    content: str | None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnsweredCall] | UnsetType = UNSET


class Choice(msgspec.Struct):
    """One of `n` answers."""

    index: int
    message: AnsweredMessage
    logprobs: Logprobs | None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


class Delta(msgspec.Struct):
    """What one frame adds to the message; the role stands in the first."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnsweredCall] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    """What one frame adds to an answer; the last of an answer has the reason of its end."""

    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None


class ChatChunk(msgspec.Struct):
    """One frame. Where usage was asked for, it is null in all frames but the last, which has no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET


_REQUEST = msgspec.json.Decoder(ChatRequest)


def parse_chat(body: bytes) -> ChatRequest:
    """Read a chat request. Raises FreeholdError of kind INVALID."""
    request = wire.decode(_REQUEST, body)
    request.check()
    return request
