"""How a decoder judges a given answer: the graphs and steps that would generate it, fed with its tokens."""

from collections.abc import Sequence

import numpy as np

from freehold.artifact.manifest import Decoder
from freehold.engine.base import Answer, Array
from freehold.engine.decoder_session import DecoderSession, Row
from freehold.engine.kv_memory import KvMemory, Layout

SLICE = 512
"""Tokens of the prompt computed at a time."""
ROWS = 8
"""Tokens of the answer computed at a time, where drafts are."""
PADDING_ROWS = 2


def memory_for(decoder: Decoder, longest: int) -> KvMemory:
    """Memory in which a prompt and its answer of `longest` tokens together are scored. Raises as `KvMemory`."""
    return KvMemory(Layout.of(decoder, longest), slots=1, rows=ROWS + PADDING_ROWS)


def score(session: DecoderSession, slot: int, prompt: Sequence[int], answer: Sequence[int]) -> Answer:
    """At each place of `answer` the most probable token, and how far behind it the given one is.

    Outputs `token_ids` INT64, `margins` and `logprobs` FP32, all [answer], as `ScoreRequest` says. Both sequences have
    at least one token.
    """
    for begin in range(0, len(prompt), SLICE):
        logits = session.prefill(slot, np.asarray(prompt[begin : begin + SLICE], np.int64), begin)
    judged = [_judged(logits[None], answer[:1])]
    at_once = ROWS if session.drafts_allowed else 1
    rows = [Row(slot, len(prompt) + place, token) for place, token in enumerate(answer[:-1])]
    for begin in range(0, len(rows), at_once):
        step = session.decode(rows[begin : begin + at_once])
        judged.append(_judged(step, answer[begin + 1 : begin + 1 + len(step)]))
    best, margins, logprobs = (np.concatenate(parts) for parts in zip(*judged, strict=True))
    return Answer({"token_ids": best, "margins": margins, "logprobs": logprobs}, len(prompt) + len(answer))


def _judged(logits: Array, given: Sequence[int]) -> tuple[Array, Array, Array]:
    """Of `logits` [places, vocab]: the best tokens, the margins and the logprobs of the `given` ones, each [places]."""
    largest = logits.max(axis=1)
    margins = largest - logits[np.arange(len(logits)), list(given)]
    # Beside the largest, so that no power overflows; in float64, as a vocabulary has 150,000 terms.
    rest = np.log(np.exp(logits - largest[:, None]).sum(axis=1, dtype=np.float64))
    return logits.argmax(axis=1), margins, (-margins - rest).astype(np.float32)
