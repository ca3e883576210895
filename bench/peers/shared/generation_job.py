"""What every generation peer is asked, and what it says: a JSON job on standard input, a JSON answer at the end.

`prompt` tokens are random, seeded; a decode run starts `streams` prompts, and counts from the moment when each has its
first token until `steps` more were made for each. Prefill is one prompt of `prefill` tokens, until its first token.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np


@dataclass(frozen=True)
class Job:
    model: str
    vocab: int
    threads: int = 2
    prompt: int = 32
    steps: int = 32
    streams: tuple[int, ...] = (1, 4, 8, 16)
    prefill: int = 512
    repeats: int = 2

    def prompts(self, count: int, length: int) -> list[list[int]]:
        generator = np.random.default_rng(11)
        return generator.integers(300, self.vocab - 400, (count, length)).tolist()


@dataclass
class Answer:
    """Tokens a second; the best of `repeats`."""

    prefill: float = 0.0
    decode: dict[int, float] = field(default_factory=dict)


def read_job() -> Job:
    given = json.load(sys.stdin)
    return Job(**{**given, "streams": tuple(given.get("streams", (1, 4, 8, 16)))})


def measured(job: Job, decode: Callable[[int], float], prefill: Callable[[], float] | None = None) -> Answer:
    """A short run to warm up, then each number of streams; `decode` and `prefill` give tokens a second of one run."""
    decode(1)
    answer = Answer()
    if prefill is not None:
        answer.prefill = max(prefill() for _ in range(job.repeats))
    for streams in job.streams:
        answer.decode[streams] = max(decode(streams) for _ in range(job.repeats))
    return answer


def write_answer(answer: Answer) -> None:
    """The last line of standard output: the runtimes print lines of their own before."""
    print("\n" + json.dumps(asdict(answer)), flush=True)
