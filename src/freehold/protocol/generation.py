"""What the OpenAI calls that generate text have in common: their parameters, usage, and event frames."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from freehold.errors import FreeholdError
from freehold.protocol import wire

MOST_CHOICES = 16
MOST_STOPS = 64  # OpenAI takes 4: agents with many tools need more, and each costs microseconds a token
MOST_ALTERNATIVES = 20
MOST_BIASES = 4096
TOKEN_DIGITS = 10  # no vocabulary needs more, and Python refuses to read thousands
LEAST_TOP_P = 1e-9
"""What `top_p` 0 becomes: the most probable token alone. Dify's slider goes down to 0."""
LEAST_LOGPROB = -9999.0
"""What an impossible token's logarithm is written as, since JSON has no infinity; OpenAI's own floor."""

DONE = b"data: [DONE]\n\n"
Object = dict[str, Any]
FinishReason = Literal["stop", "length", "tool_calls"]

_IN_PLACE_OF = {
    "guided_json": "response_format",
    "guided_regex": "response_format",
    "guided_choice": "response_format",
    "guided_grammar": "response_format",
    "structured_outputs": "response_format",
}
_NOWHERE = ("use_beam_search", "prompt_logprobs", "truncate_prompt_tokens", "min_tokens", "bad_words")
_SCHEMA_WORDS = frozenset(
    {"type", "properties", "$ref", "$defs", "enum", "const", "anyOf", "oneOf", "allOf", "not", "items", "prefixItems"}
)


class StreamOptions(msgspec.Struct, frozen=True):
    """`include_usage` asks for a last frame with the tokens that were used."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """What an answer must look like. `json_schema` is OpenAI's {name, schema, strict}, or a schema without that."""

    type: str
    json_schema: Object | None = None

    def schema(self) -> Object | None:
        """The JSON Schema asked for; {"type": "object"} for `json_object`, None for `text`.

        Raises `parameter_invalid`. Dify sends whatever its user typed, wrapped or bare.
        """
        if self.type == "text":
            return None
        if self.type == "json_object":
            return {"type": "object"}
        if self.type != "json_schema":
            raise invalid("response_format.type", self.type, "text, json_object or json_schema")
        given = self.json_schema or {}
        if not _SCHEMA_WORDS & given.keys() and isinstance(given.get("schema"), dict):
            schema: Object = given["schema"]
            return schema
        if not _SCHEMA_WORDS & given.keys():
            raise invalid("response_format.json_schema", given, "{name, schema} or a JSON Schema itself")
        return given


class GenerationFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of chat and of plain completions; null is the same as leaving one out. Unknown ones are ignored, but for
    those that would change what the answer means."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    cache_salt: str | None = None  # vLLM's: what prompts share is shared among those who say the same
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool | None = None
    logit_bias: dict[str, float] | None = None
    n: int | None = None
    response_format: ResponseFormat | None = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    structured_outputs: Any = None
    use_beam_search: Any = None
    prompt_logprobs: Any = None
    truncate_prompt_tokens: Any = None
    min_tokens: Any = None
    bad_words: Any = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with a frame of usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def choices(self) -> int:
        """How many answers are wanted for a prompt."""
        return 1 if self.n is None else self.n

    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer; empty ones, which forms send for fields left blank, are none."""
        texts = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in texts if text)

    def biases(self) -> dict[int, float]:
        """`logit_bias` by token id. Raises `parameter_invalid` for a key that is no id."""
        biases = {}
        for key, bias in (self.logit_bias or {}).items():
            if not (key.isascii() and key.isdigit() and len(key) <= TOKEN_DIGITS):
                raise invalid("logit_bias", key, "an object from token ids, written as texts, to numbers")
            biases[int(key)] = bias
        return biases

    def check_fields(self) -> None:
        """Raises `parameter_invalid` for a value out of its range, `field_refused` and `field_unsupported`."""
        for field, other in _IN_PLACE_OF.items():
            refuse(field, getattr(self, field), instead=other)
        for field in _NOWHERE:
            refuse(field, getattr(self, field))
        if self.max_tokens is not None and self.max_tokens < 1:
            raise invalid("max_tokens", self.max_tokens, "a whole number from 1")
        _within("temperature", self.temperature, 0, 2)
        _within("top_p", self.top_p, 0, 1)
        _within("min_p", self.min_p, 0, 1)
        _within("top_k", self.top_k, -1, 2**31 - 1)
        _within("presence_penalty", self.presence_penalty, -2, 2)
        _within("frequency_penalty", self.frequency_penalty, -2, 2)
        _within("n", self.n, 1, MOST_CHOICES)
        if self.repetition_penalty is not None and not 0 < self.repetition_penalty <= 10:
            raise invalid("repetition_penalty", self.repetition_penalty, "a number above 0, at most 10")
        if len(self.stops()) > MOST_STOPS:
            raise invalid("stop", f"{len(self.stops())} texts", f"at most {MOST_STOPS} texts")
        biases = self.logit_bias or {}
        if len(biases) > MOST_BIASES:
            raise invalid("logit_bias", f"{len(biases)} tokens", f"at most {MOST_BIASES} tokens")
        for bias in biases.values():
            _within("logit_bias", bias, -100, 100)


class CachedTokens(msgspec.Struct):
    """How much of the prompt was not computed again."""

    cached_tokens: int = 0


class Usage(msgspec.Struct):
    """Tokens of prompt and answer, special ones included."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens

    @classmethod
    def of(cls, prompt: int, completion: int, cached: int) -> "Usage":
        """The usage of a request."""
        return cls(prompt, completion, prompt + completion, CachedTokens(cached))


def shown_logprob(value: float) -> float:
    """A logarithm that JSON can hold."""
    return max(value, LEAST_LOGPROB)


def shown_token(piece: bytes) -> str:
    """A token as text; one that is no whole character as `bytes:` and its bytes, which is OpenAI's way to write it."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def invalid(parameter: str, value: object, expected: str) -> FreeholdError:
    """The error of a value that cannot be; clients find the parameter's name in `param`."""
    return FreeholdError(
        "parameter_invalid", parameter=parameter, value=_brief(value), expected=expected, param=parameter
    )


def refuse(field: str, value: object, *, instead: str = "") -> None:
    """Raises `field_refused` (there is another field for that) or `field_unsupported` unless the field is empty."""
    if not value:
        return
    if instead:
        raise FreeholdError("field_refused", field=field, instead=instead, param=field)
    raise FreeholdError("field_unsupported", field=field, param=field)


def frame(event: msgspec.Struct | Mapping[str, Any]) -> bytes:
    """One event as it stands on the wire: one line of JSON, ended by exactly one blank line."""
    return b"data: %b\n\n" % wire.encode(event)


def fingerprint(digest: str) -> str:
    """OpenAI's name for what computed an answer: from the artifact's digest, so that it changes when that does."""
    return f"fp_{digest.removeprefix('sha256:')[:12]}"


def _within(parameter: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise invalid(parameter, value, f"from {low:g} to {high:g}")


def _brief(value: object) -> object:
    return value if isinstance(value, int | float) else wire.brief(value)
