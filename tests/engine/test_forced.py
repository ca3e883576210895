"""Teacher-forced replay: when a recorded token is still what comes next."""

import numpy as np
import pytest

from freehold.artifact import Case, Tensor
from freehold.engine.base import Answer
from freehold.engine.forced import unlikely

RECORDED = [5, 6, 7, 8]


def case(agreement: float | None = None) -> Case:
    """A recorded answer of four tokens."""
    outputs = {"token_ids": Tensor.of(np.array(RECORDED))}
    if agreement is not None:
        outputs["agreement"] = Tensor.of(np.array([agreement], np.float32))
    return Case({"prompt_ids": Tensor.of(np.array([1, 2]))}, outputs)


def scored(best: list[int], margins: list[float]) -> Answer:
    """What a decoder thinks of it."""
    return Answer({"token_ids": np.array(best), "margins": np.array(margins, np.float32)})


def test_at_fp32_a_near_tie_passes_and_anything_else_is_shown() -> None:
    """Processors differ in the last bits."""
    assert unlikely(case(), scored(RECORDED, [0.0] * 4), "fp32") is None
    assert unlikely(case(), scored([5, 6, 9, 8], [0, 0, 0.005, 0]), "fp32") is None
    difference = unlikely(case(), scored([5, 6, 9, 8], [0, 0, 0.5, 0]), "fp32")
    assert difference is not None
    assert (difference.index, difference.expected, difference.seen) == ((2,), "7", "9")
    assert "0.5" in difference.measure


@pytest.mark.parametrize(("agreement", "passes"), [(0.75, True), (0.76, True), (0.80, False), (None, True)])
def test_a_quantised_decoder_is_held_to_the_agreement_that_was_recorded(agreement: float | None, passes: bool) -> None:
    """Within 0.02; where none was recorded nothing can be said."""
    difference = unlikely(case(agreement), scored([5, 6, 9, 8], [0, 0, 3.0, 0]), "int4")
    assert (difference is None) == passes
    if difference is not None:
        assert difference.index == (2,)
        assert difference.measure == "agreement 0.750"
