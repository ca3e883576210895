"""Measures of quality, on answers that are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.quantize.examples import Example
from freehold.adapt.quantize.quality import Metric, quality, spearman
from freehold.adapt.quantize.tasks import Observed
from freehold.artifact import MadeBy, Manifest
from freehold.errors import FreeholdError


def manifest(kind: Any, **more: Any) -> Manifest:
    return Manifest(1, "m", kind, "tensor", "fp32", (), (), MadeBy("t", "1", ""), {}, **more)


def rows(*values: list[float]) -> Observed:
    return Observed(tuple(np.array(value, np.float32) for value in values))


def examples(*expected: Any) -> list[Example]:
    return [Example({"text": "t"}, one) for one in expected]


def test_same_answers() -> None:
    """What has not changed loses nothing."""
    seen = rows([1, 0], [0, 1], [0.6, 0.8])
    judged = quality(manifest("embed"), examples(None, None, None), seen, seen)
    assert (judged.cosine_min, judged.cosine_mean, judged.max_abs, judged.spearman) == (1, 1, 0, 1)
    assert judged.accuracy is None


def test_embeddings() -> None:
    """A turned vector costs angle; neighbours keep their labels or not."""
    before = rows([1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9])
    after = rows([1, 0], [0, 1], [0.1, 1.1], [0.1, 0.9])
    judged = quality(manifest("embed"), examples("a", "a", "b", "b"), before, after)
    assert judged.cosine_min == pytest.approx(0.1104, abs=1e-3)
    assert judged.accuracy_before == 1
    assert judged.accuracy == 0.5
    assert judged.spearman is not None
    assert judged.spearman < 1


def test_one_label_says_nothing() -> None:
    """Where all texts have one label, or each its own, neighbours measure nothing."""
    seen = rows([1, 0], [0, 1])
    for labels in (("a", "a"), ("a", "b")):
        assert quality(manifest("embed"), examples(*labels), seen, seen).accuracy is None


def test_classes() -> None:
    """Choices beside the parent's, and beside the right labels."""
    before, after = rows([2, 1], [1, 2]), rows([2, 1], [2, 1])
    judged = quality(manifest("classify", labels=("no", "yes")), examples("no", "yes"), before, after)
    assert (judged.top1, judged.accuracy, judged.accuracy_before) == (0.5, 0.5, 1)


def test_scores() -> None:
    """A reranker is judged by order."""
    before, after = rows([3], [2], [1]), rows([3], [1], [2])
    judged = quality(manifest("rerank"), examples(1, 0, 0), before, after)
    assert judged.spearman == 0.5
    assert judged.accuracy == 1
    assert judged.cosine_mean is None
    assert quality(manifest("rerank"), examples(1, 1, 1), before, after).accuracy is None


def test_tensors() -> None:
    """Rows of a batch count one by one; outputs that are no floats count for nothing."""
    before = Observed((np.array([[1, 2], [2, 1]], np.float32), np.array([3])))
    after = Observed((np.array([[1, 2], [1, 2]], np.float32), np.array([4])))
    judged = quality(manifest("tensor"), examples(1), before, after)
    assert (judged.top1, judged.accuracy, judged.max_abs) == (0.5, 1, 1)


def test_tokens() -> None:
    """Choices, perplexity and whole answers of a decoder."""
    before = Observed(tokens=np.array([1, 2, 3]), logprobs=np.log([0.5, 0.5, 0.5]), exact=(True, True))
    after = Observed(tokens=np.array([1, 2, 4]), logprobs=np.log([0.25, 0.5, 0.5]), exact=(True, False))
    judged = quality(manifest("generate"), examples("a", "b"), before, after)
    assert judged.top1 == pytest.approx(2 / 3, abs=1e-6)
    assert judged.perplexity_ratio == pytest.approx(2 ** (1 / 3), abs=1e-6)
    assert (judged.accuracy, judged.accuracy_before) == (0.5, 1)
    assert judged.of("perplexity") == pytest.approx(2 ** (-1 / 3), abs=1e-6)


@pytest.mark.parametrize("metric", ["accuracy", "perplexity"])
def test_metric_that_was_not_measured(metric: Metric) -> None:
    """What has no value is told with what has."""
    seen = rows([1, 0], [0, 1], [1, 1])
    with pytest.raises(FreeholdError) as raised:
        quality(manifest("embed"), examples(None, None, None), seen, seen).of(metric)
    assert raised.value.code == "quantize_metric_unsuited"
    assert raised.value.details["known"] == "cosine, spearman"


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=20))
@settings(max_examples=50, deadline=None)
def test_spearman(values: list[int]) -> None:
    """Order is all that counts: any growing function keeps it, and turning it round negates it."""
    array = np.array(values, np.float64)
    assert spearman(array, np.exp(array)) == pytest.approx(1)
    if len(set(values)) > 1:
        assert spearman(array, -array) == pytest.approx(-1)
