"""The Engine Protocol: all that a server knows of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from freehold.artifact import Manifest
from freehold.engine.tuner import Tuning
from freehold.errors import FreeholdError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class TensorRequest:
    """Named input arrays, already of the graph's dtypes; `outputs` names what to return, () means all."""

    inputs: dict[str, Array]
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts or ready token ids (special tokens included by the caller); over-long ones are truncated and counted."""

    texts: Sequence[str | list[int]]


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Scores every text against the query."""

    query: str
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """How a decoder judges an `answer` to a `prompt`, both token ids: outputs `token_ids` INT64, `margins` and
    `logprobs` FP32, all [answer]: at each place the most probable token, by how much its logit exceeds that of the
    answer's token, and the natural logarithm of that token's probability."""

    prompt: Sequence[int]
    answer: Sequence[int]


Request = TensorRequest | EmbedRequest | RerankRequest | ScoreRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """Output arrays by graph output name; for texts one row a text, in the order of the request."""

    outputs: dict[str, Array]
    tokens: int = 0  # after truncation, special tokens included
    truncated: int = 0  # how many texts were cut


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the engine is doing, for admission and metrics. `unit` is "tokens" for text and "rows" for tensors.

    `later` is that part of `queued` which lets all others go first."""

    unit: str
    queued: int
    running: int
    per_second: float  # measured; 0.0 until the first batch
    later: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """What replaying the goldens showed. `status`: raw | self | none | failed; `failure` is a failed one's error."""

    status: str
    cases: int = 0
    replayed: int = 0
    recorded_by: str = ""
    failure: FreeholdError | None = None


class Engine(Protocol):
    """One loaded artifact. Threads and batching are its own affair; all but `answer` is called from one event loop."""

    manifest: Manifest
    digest: str
    proof: Proof
    precision: str
    max_tokens: int  # where texts are cut; 0 for tensors
    tuning: Tuning | None  # None before `load`, and where other processes hold it

    async def load(self) -> None:
        """Open, warm up, replay the goldens into `proof`; takes seconds, blocks no loop. Raises FreeholdError."""

    def ready(self) -> bool: ...  # after `load` and until `close`

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """Answer one request. `deadline` is loop time: one that has not begun by then raises `deadline_exceeded`.
        One that may come `later` lets all others go first. Cancelling the awaiting task gives its place in the queue
        back."""

    def at_once(self, request: Request) -> Answer | None:
        """The answer where computing it takes less than queueing it would (a fraction of a millisecond), else None."""

    def answer(self, request: Request) -> Answer:
        """Answer one request at once, alone, on the calling thread: for replay and checks, not for traffic."""

    def capacity(self) -> Capacity: ...

    async def close(self, grace_s: float) -> None:
        """Finish what is queued within `grace_s` seconds, then stop; what is left raises `shutting_down`."""
