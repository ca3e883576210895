"""OpenAI's plain completions: `POST /v1/completions`, with prompts as texts or token ids."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from freehold.protocol import wire
from freehold.protocol.generation import (
    MOST_ALTERNATIVES,
    FinishReason,
    GenerationFields,
    Usage,
    invalid,
    refuse,
)
from freehold.protocol.openai import TextsOrIds, texts_or_ids

MOST_SEQUENCES = 128


class CompletionRequest(GenerationFields, frozen=True, kw_only=True):
    """`POST /v1/completions`."""

    prompt: TextsOrIds
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=MOST_ALTERNATIVES)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None
    add_special_tokens: bool | None = None  # None means yes, as the model's tokenizer would

    def prompts(self) -> list[str | list[int]]:
        """One entry a prompt: a text or its token ids. Raises `list_empty` and `input_mixed`."""
        return texts_or_ids(self.prompt, "prompt")

    def check(self) -> None:
        """Raises FreeholdError of kind INVALID for what msgspec's types do not say."""
        self.check_fields()
        refuse("suffix", self.suffix)
        if self.best_of not in (None, self.choices):
            raise invalid("best_of", self.best_of, "the same as n")
        if self.echo and self.logprobs is not None:
            refuse("echo with logprobs", True)
        sequences = len(self.prompts()) * self.choices
        if sequences > MOST_SEQUENCES:
            raise invalid("prompt", f"{sequences} answers", f"at most {MOST_SEQUENCES} answers, prompts times n")


class CompletionLogprobs(msgspec.Struct):
    """One entry a token in each list; `text_offset` counts characters of the text."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class CompletionChoice(msgspec.Struct):
    """One answer, or what a frame adds to it. Prompt p's n answers have the indices p * n and following."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: FinishReason | None = None


class Completion(msgspec.Struct):
    """The whole answer, or one frame: both have the same name and form."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET


_REQUEST = msgspec.json.Decoder(CompletionRequest)


def parse_completion(body: bytes) -> CompletionRequest:
    """Read a request for completions. Raises FreeholdError of kind INVALID."""
    request = wire.decode(_REQUEST, body)
    request.check()
    return request
