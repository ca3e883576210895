"""How a decoder judges a given answer: the graphs and steps that would generate it, fed with its tokens."""

from collections.abc import Sequence

import numpy as np

from freehold.engine.base import Answer
from freehold.engine.decoder_session import DecoderSession, Row

SLICE = 512
"""Tokens of the prompt computed at a time."""
ROWS = 8
"""Tokens of the answer computed at a time, where drafts are."""


def score(session: DecoderSession, slot: int, prompt: Sequence[int], answer: Sequence[int]) -> Answer:
    """At each place of `answer` the most probable token, and by how much its logit exceeds the given token's.

    Outputs `token_ids` INT64 [answer] and `margins` FP32 [answer]. Both sequences have at least one token.
    """
    for begin in range(0, len(prompt), SLICE):
        logits = session.prefill(slot, np.asarray(prompt[begin : begin + SLICE], np.int64), begin)
    best, margins = np.empty(len(answer), np.int64), np.empty(len(answer), np.float32)
    best[0], margins[0] = logits.argmax(), logits.max() - logits[answer[0]]
    at_once = ROWS if session.drafts_allowed else 1
    rows = [Row(slot, len(prompt) + place, token) for place, token in enumerate(answer[:-1])]
    for begin in range(0, len(rows), at_once):
        step = session.decode(rows[begin : begin + at_once])
        places = slice(begin + 1, begin + 1 + len(step))
        best[places] = step.argmax(axis=1)
        margins[places] = step.max(axis=1) - step[np.arange(len(step)), answer[places]]
    return Answer({"token_ids": best, "margins": margins}, len(prompt) + len(answer))
