"""Text generation as a server knows it: what is asked, and what comes back piece by piece."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from freehold.engine.base import Engine

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. The defaults draw from the whole distribution; `temperature` 0 takes the best.

    Applied in this order: constraint, `logit_bias`, penalties, temperature, `top_k`, `top_p`, `min_p`. A seed makes a
    request repeatable whoever shares its batch; without one the engine draws one.
    """

    temperature: float = 1.0
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    min_p: float = 0.0  # relative to the most probable token
    repetition_penalty: float = 1.0  # over prompt and answer, as in transformers
    presence_penalty: float = 0.0  # over the answer, as in the OpenAI API
    frequency_penalty: float = 0.0
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the answer must look like. `value`: a JSON Schema as JSON text ("{}" for any object with `json_object`), a
    regular expression, or a grammar in llguidance's dialect of Lark."""

    kind: Literal["json_object", "json_schema", "regex", "lark"]
    value: str


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One completion of one prompt. `prompt` is token ids, specials included."""

    prompt: Sequence[int]
    max_tokens: int | None = None  # None: 4,096, or what `max_output_tokens`, context and memory leave
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()  # texts that end the answer; not part of it
    stop_ids: frozenset[int] = frozenset()  # beside the model's own end tokens
    ignore_end: bool = False  # go on past the model's end tokens, for measurements
    logprobs: int | None = None  # None: none; n: of the token taken and of the n most probable
    constraint: Constraint | None = None
    sharing: str = ""  # among whom the beginnings of prompts are kept: those who name the same


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural logarithms of probabilities before temperature, penalties and cuts (after bias and constraint)."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """What one step added. `text` may be empty (half a character, or what may begin a stop text). The last piece has
    a `finish`; `prompt_tokens`, `cached_tokens` (taken from the prefix cache) and `completion_tokens` stand in every
    piece, as of then."""

    text: str
    ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: Finish | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Step(NamedTuple):
    """What a finished step of a text engine reports to metrics. Times in seconds."""

    phase: Literal["prefill", "decode", "crash"]
    seconds: float = 0.0
    rows: int = 0
    tokens: int = 0  # of prompts computed, or of answers generated
    queued_s: float | None = None  # from arrival, where a prompt's first slice was computed
    drafted: int = 0
    accepted: int = 0  # of the drafted
    kv_tokens: int = 0  # promised to the sequences that run
    kv_capacity: int = 0


class TextEngine(Engine, Protocol):
    """An engine of kind `generate`."""

    context_length: int  # prompt and completion together, in tokens
    max_output_tokens: int
    defaults: Sampling  # from the model's generation_config.json

    def generate(self, request: GenerateRequest, deadline: float) -> AsyncGenerator[Piece, None]:
        """Pieces as they are computed; the first within `deadline` (loop time) or `deadline_exceeded`.

        Closing the iterator, or cancelling its consumer, frees the sequence within one step. Raises FreeholdError
        `context_overflow` (both numbers), `answer_too_long`, `answer_too_short`, `input_empty`, `token_out_of_range`,
        `logit_bias_out_of_range`, `constraint_invalid`, `constraint_unsupported`; in the middle
        `constraint_unsatisfied`, `constraint_too_complex`, `logits_invalid`, `engine_stopped` (a crash) and
        `shutting_down`.
        """
        ...

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Token ids of a rendered prompt; nothing is truncated."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for; it may begin or end in the midst of a character."""
        ...

    def chat_template(self) -> str | None:
        """The Jinja source of `chat_template.jinja`, else the one in tokenizer_config; None for neither."""
        ...

    def special_tokens(self) -> dict[str, str]:
        """bos_token, eos_token, pad_token, unk_token, as far as `tokenizer_config.json` names them: for templates."""
        ...
