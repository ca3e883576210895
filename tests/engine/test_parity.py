"""Parity in numbers."""

import math

import numpy as np
import pytest

from freehold.artifact import Case, MadeBy, Manifest, Tensor, Tolerance
from freehold.engine.base import Answer
from freehold.engine.parity import EDGES, Measured, label_of, measure, together, total

CLOSE = Tolerance(max_abs=0.1)


def manifest(kind: str = "tensor") -> Manifest:
    return Manifest(1, "m", kind, "tensor", "fp32", (), (), MadeBy("test", "1", "sha256:aa"), {})  # type: ignore[arg-type]  # any kind


def measured(expected: np.ndarray, seen: np.ndarray, kind: str = "tensor") -> Measured:
    case = Case({"x": Tensor.of(np.zeros((2, 3), np.float32))}, {"y": Tensor.of(expected)})
    answer = Answer({"y": seen if kind == "tensor" else seen[np.newaxis]})
    (one,) = measure(4, case, answer, manifest(kind), CLOSE, "fp32")
    return one


def test_numbers_are_those_of_the_definitions() -> None:
    """Largest absolute and relative difference, cosine of the whole, largest elements that stayed the largest."""
    expected = np.array([[1, 2, 4], [8, 2, 1]], np.float32)
    seen = np.array([[1, 2.5, 4], [7, 2, 9]], np.float32)
    one = measured(expected, seen)
    assert (one.case, one.label, one.output, one.elements, one.within) == (4, "batch 2", "y", 6, False)
    assert (one.max_abs, one.max_rel) == (8.0, 8.0)
    flat, other = expected.ravel(), seen.ravel()
    assert one.cosine == pytest.approx(float(flat @ other / np.linalg.norm(flat) / np.linalg.norm(other)))
    assert (one.top1, one.rows) == (1, 2)


def test_a_relative_difference_to_nearly_zero_is_to_a_thousandth_of_the_largest() -> None:
    """1e-6 where 0 was expected, in an output of ones, is 1e-3 and not infinity."""
    one = measured(np.array([[1, 0]], np.float32), np.array([[1, 1e-6]], np.float32))
    assert one.max_rel == pytest.approx(1e-3, rel=1e-3)
    assert measured(np.zeros((1, 2), np.float32), np.full((1, 2), 0.5, np.float32)).max_rel == 0.5


def test_every_difference_is_in_one_bin() -> None:
    """Equal elements at the low end, infinite differences at the high one, an edge below its bin."""
    expected = np.array([0, 0, 0, np.inf], np.float32)
    one = measured(expected, np.array([0, EDGES[3], 1e-3, 1], np.float32))
    assert sum(one.histogram) == 4
    assert len(one.histogram) == len(EDGES) + 1
    assert (one.histogram[0], one.histogram[-1]) == (1, 1)
    assert one.max_abs == math.inf
    assert total([one, one]) == tuple(2 * count for count in one.histogram)
    assert sum(total([])) == 0


def test_what_has_no_meaning_is_none() -> None:
    """An embedding has no first class, integers have no angle, and one logit is no choice."""
    rows = np.ones((2, 3), np.float32)
    assert measured(rows[0], rows[0], "embed").top1 is None
    assert measured(rows[0], rows[0], "classify").top1 == 1
    assert measured(rows[:, :1], rows[:, :1]).top1 is None
    whole = measured(np.arange(3), np.arange(3))
    assert (whole.cosine, whole.top1, whole.within) == (None, None, True)


def test_masked_elements_do_not_spoil_the_angle() -> None:
    """Minus infinity at the same place in both counts as equal."""
    masked = np.array([[-np.inf, 1, 2]], np.float32)
    one = measured(masked, masked)
    assert (one.max_abs, one.within) == (0.0, True)
    assert one.cosine == pytest.approx(1.0)


def test_outputs_that_cannot_be_compared_have_no_numbers() -> None:
    """A missing one and one of another shape are told by the proof."""
    case = Case({"x": Tensor.of(np.zeros((1, 2)))}, {"y": Tensor.of(np.zeros(3)), "z": Tensor.of(np.zeros(3))})
    assert measure(0, case, Answer({"y": np.zeros(4)}), manifest(), CLOSE, "fp32") == ()


def test_a_recorded_answer_is_counted_token_by_token() -> None:
    """top-1 is the share of tokens that would be chosen again; log-probabilities have a difference."""
    outputs = {"token_ids": Tensor.of(np.array([5, 6])), "logprobs": Tensor.of(np.array([-0.5, -1], np.float32))}
    case = Case({"prompt_ids": Tensor.of(np.array([1]))}, outputs)
    seen = {"token_ids": np.array([5, 7]), "logprobs": np.array([-0.5, -1.25], np.float32)}
    margins = {"margins": np.array([0, 0.5], np.float32)}
    tokens, logprobs = measure(0, case, Answer({**seen, **margins}), manifest("generate"), CLOSE, "fp32")
    assert (tokens.output, tokens.top1, tokens.rows, tokens.within) == ("token_ids", 1, 2, False)
    assert (logprobs.output, logprobs.max_abs) == ("logprobs", 0.25)
    bare = Case(case.inputs, {"token_ids": outputs["token_ids"]})
    assert len(measure(0, bare, Answer({**seen, **margins}), manifest("generate"), CLOSE, "fp32")) == 1


def test_cases_are_put_together_by_output_and_shape_class() -> None:
    """Worst of each number, mean of cosines, share of rows, cases out of tolerance."""
    rows = np.array([[1, 2]], np.float32)
    parts = [measured(rows, rows), measured(rows, rows + 1), measured(np.ones((1, 1, 2)), np.ones((1, 1, 2)))]
    (row,) = together(parts[:2])
    assert (row.output, row.label, row.cases, row.differ, row.elements) == ("y", "batch 2", 2, 1, 4)
    assert row.max_abs == 1.0
    assert row.cosine_min is not None
    assert row.cosine_mean == pytest.approx((1 + row.cosine_min) / 2)
    assert row.top1 == 1.0
    assert together([]) == ()


@pytest.mark.parametrize(
    ("case", "label"),
    [
        (Case({"text": "x"}, {}, "padded"), "padded"),
        (Case({"text": "short"}, {}), "short"),
        (Case({"query": "q", "text": "word " * 60}, {}), "long"),
        (Case({"query": "q", "text": "合同"}, {}), "zh"),
        (Case({"x": Tensor.of(np.zeros((3, 2)))}, {}), "batch 3"),
        (Case({"prompt_ids": Tensor.of(np.zeros(3))}, {}), ""),
    ],
)
def test_a_case_without_a_label_has_a_shape_class_all_the_same(case: Case, label: str) -> None:
    """From its texts or its first dimension."""
    assert label_of(case) == label
