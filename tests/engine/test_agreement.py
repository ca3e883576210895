"""How near a decoder comes to recorded answers."""

import math

import numpy as np
import pytest

from freehold.artifact import Case, Tensor
from freehold.engine.agreement import Agreement, agreement_with, together
from freehold.engine.base import Answer


def recorded(logprobs: list[float] | None = None) -> Case:
    """Four tokens, and how sure their recorder was."""
    outputs = {"token_ids": Tensor.of(np.array([5, 6, 7, 8]))}
    if logprobs is not None:
        outputs["logprobs"] = Tensor.of(np.array(logprobs, np.float32))
    return Case({"prompt_ids": Tensor.of(np.array([1]))}, outputs)


def heard(best: list[int], logprobs: list[float]) -> Answer:
    """What a decoder thinks of them."""
    return Answer({"token_ids": np.array(best), "logprobs": np.array(logprobs, np.float32)})


def test_the_share_counts_tokens_and_the_ratio_is_of_perplexities() -> None:
    """Perplexity is the inverse of the geometric mean of the probabilities."""
    theirs, ours = [0.5, 0.5, 0.8, 0.4], [0.25, 0.5, 0.2, 0.4]
    case = recorded([math.log(one) for one in theirs])
    near = agreement_with(case, heard([5, 6, 9, 8], [math.log(one) for one in ours]))
    assert (near.tokens, near.share) == (4, 0.75)
    assert near.perplexity_ratio == pytest.approx((math.prod(theirs) / math.prod(ours)) ** 0.25)


def test_without_the_recorders_probabilities_only_tokens_are_compared() -> None:
    """As in goldens that were recorded before."""
    assert agreement_with(recorded(), heard([5, 6, 7, 8], [-1.0] * 4)) == Agreement(4, 1.0)


def test_every_token_of_several_answers_counts_alike() -> None:
    """Long answers more than short ones; an answer without a ratio leaves the others' as it is."""
    both = together([Agreement(1, 0.0, 4.0), Agreement(3, 1.0, 1.0)])
    assert both is not None
    assert (both.tokens, both.share) == (4, 0.75)
    assert both.perplexity_ratio == pytest.approx(4.0**0.25)
    mixed = together([Agreement(1, 1.0, 2.0), Agreement(9, 1.0)])
    assert mixed is not None
    assert mixed.perplexity_ratio == pytest.approx(2.0)
    assert together([Agreement(2, 0.5)]) == Agreement(2, 0.5)
    assert together([]) is None
