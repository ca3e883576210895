"""How near a decoder comes to recorded answers: what a precision costs, in tokens and in perplexity."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from freehold.artifact import Case
from freehold.engine.base import Answer


@dataclass(frozen=True)
class Agreement:
    """What was seen at `tokens` places of recorded greedy answers, each replayed after the recorded tokens before it.

    `share`: at how many of them the recorded token is the most probable one here too, 0 to 1. `perplexity_ratio`: the
    perplexity of the recorded tokens here, exp(-mean of their logarithmic probabilities), over the recorder's; above 1,
    this decoder is less sure of them. None where the recorder's probabilities are unknown.
    """

    tokens: int
    share: float
    perplexity_ratio: float | None = None


def agreement_with(case: Case, answer: Answer) -> Agreement:
    """How near `answer`, the outputs of a `ScoreRequest`, comes to the recorded `case`."""
    expected = case.outputs["token_ids"].array()
    share = float((answer.outputs["token_ids"] == expected).mean())
    recorded = case.outputs.get("logprobs")
    if recorded is None:
        return Agreement(len(expected), share)
    lost = recorded.array().astype(np.float64) - answer.outputs["logprobs"]
    return Agreement(len(expected), share, math.exp(lost.mean()))


def together(parts: Iterable[Agreement]) -> Agreement | None:
    """Several answers as one: every token counts alike. None for no answers."""
    seen = list(parts)
    if not seen:
        return None
    tokens = sum(one.tokens for one in seen)
    share = sum(one.tokens * one.share for one in seen) / tokens
    lost = [(one.tokens, math.log(one.perplexity_ratio)) for one in seen if one.perplexity_ratio is not None]
    if not lost:
        return Agreement(tokens, share)
    mean = sum(count * each for count, each in lost) / sum(count for count, _ in lost)
    return Agreement(tokens, share, math.exp(mean))
