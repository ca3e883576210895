"""How near the answers of a quantized graph come to those of its parent, and to what was expected."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from freehold.adapt.quantize.examples import Example
from freehold.adapt.quantize.tasks import Observed
from freehold.artifact import Manifest
from freehold.artifact.compare import apart
from freehold.engine.base import Array
from freehold.errors import FreeholdError

Metric = Literal["cosine", "top1", "accuracy", "perplexity", "spearman"]
DEFAULTS: Mapping[str, Metric] = {
    "embed": "cosine",
    "rerank": "spearman",
    "classify": "top1",
    "tensor": "cosine",
    "generate": "top1",
}
DIGITS = 7
FEW_LABELS = 2


class Quality(msgspec.Struct, frozen=True, omit_defaults=True):
    """Measured on `examples`; None where a measure has no meaning for the kind, or nothing was expected.

    `cosine_*`: angle between an output of the parent and the same output here. `max_abs`: the largest gap of an
    element. `spearman`: rank correlation of the similarities of all pairs (embed) or of all scores (rerank). `top1`:
    share of outputs whose largest element is the same one. `perplexity_ratio`: of the given tokens, here over the
    parent's. `accuracy`: share of examples that come out as expected, `accuracy_before` the parent's.
    """

    examples: int
    cosine_min: float | None = None
    cosine_mean: float | None = None
    max_abs: float | None = None
    spearman: float | None = None
    top1: float | None = None
    perplexity_ratio: float | None = None
    accuracy: float | None = None
    accuracy_before: float | None = None

    def of(self, metric: Metric) -> float:
        """The value of `metric`, larger is better: of cosine the mean, of perplexity the parent's over the one here.

        Raises FreeholdError `quantize_metric_unsuited` where it was not measured.
        """
        values: dict[Metric, float | None] = {
            "cosine": self.cosine_mean,
            "top1": self.top1,
            "spearman": self.spearman,
            "accuracy": self.accuracy,
            "perplexity": 1 / self.perplexity_ratio if self.perplexity_ratio else None,
        }
        value = values[metric]
        if value is None:
            known = ", ".join(name for name, one in values.items() if one is not None)
            raise FreeholdError("quantize_metric_unsuited", metric=metric, known=known)
        return value


def quality(manifest: Manifest, examples: Sequence[Example], before: Observed, seen: Observed) -> Quality:
    """Compare what the parent answered `before` with what is `seen` now."""
    if before.tokens is not None and before.logprobs is not None:
        return _of_tokens(examples, before, seen)
    both = zip(before.rows, seen.rows, strict=True)
    pairs = [apart(want, have) for want, have in both if want.dtype.kind == "f" and want.size]
    angles = [angle for angle, _ in pairs]
    several = manifest.kind in ("embed", "tensor", "classify") and bool(angles)
    expected = [example.expected for example in examples]
    known = all(one is not None for one in expected)
    return Quality(
        examples=len(examples),
        cosine_min=_rounded(min(angles)) if several else None,
        cosine_mean=_rounded(sum(angles) / len(angles)) if several else None,
        max_abs=float(f"{max(gap for _, gap in pairs):.3g}") if pairs else None,
        spearman=_spearman_of(manifest, before, seen),
        top1=_top1(manifest, before, seen),
        accuracy=_accuracy(manifest, seen, expected) if known else None,
        accuracy_before=_accuracy(manifest, before, expected) if known else None,
    )


def spearman(a: Array, b: Array) -> float:
    """Rank correlation of two vectors, 1 where both are constant; equal values share their mean rank."""
    ranks = [_ranks(one) - (len(one) - 1) / 2 for one in (a, b)]
    norms = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / norms if norms else 1.0


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[places]


def _of_tokens(examples: Sequence[Example], before: Observed, seen: Observed) -> Quality:
    assert before.tokens is not None
    assert before.logprobs is not None
    assert seen.logprobs is not None
    lost = float((before.logprobs.astype(np.float64) - seen.logprobs).mean())
    known = all(example.expected is not None for example in examples)
    return Quality(
        examples=len(examples),
        top1=_rounded(float((before.tokens == seen.tokens).mean())),
        perplexity_ratio=_rounded(math.exp(min(lost, 100.0))),
        accuracy=_rounded(sum(seen.exact) / len(seen.exact)) if known else None,
        accuracy_before=_rounded(sum(before.exact) / len(before.exact)) if known else None,
    )


def _spearman_of(manifest: Manifest, before: Observed, seen: Observed) -> float | None:
    if manifest.kind not in ("embed", "rerank") or len(before.rows) < 3:
        return None
    first, second = (np.stack([row.astype(np.float64) for row in one.rows]) for one in (before, seen))
    if manifest.kind == "rerank":
        return _rounded(spearman(first[:, 0], second[:, 0]))
    return _rounded(spearman(_similarities(first), _similarities(second)))


def _similarities(rows: Array) -> Array:
    """Cosines of all pairs of rows, each pair once."""
    return np.asarray(_cosines(rows)[np.triu_indices(len(rows), 1)])


def _cosines(rows: Array) -> Array:
    """[rows, rows]."""
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(units @ units.T)


def _top1(manifest: Manifest, before: Observed, seen: Observed) -> float | None:
    if manifest.kind not in ("classify", "tensor"):
        return None
    same: list[Array] = []
    for want, have in zip(before.rows, seen.rows, strict=True):
        if want.dtype.kind == "f" and want.ndim and want.shape[-1] >= FEW_LABELS:
            same.append(np.ravel(want.argmax(axis=-1) == have.argmax(axis=-1)))
    return _rounded(float(np.concatenate(same).mean())) if same else None


def _accuracy(manifest: Manifest, seen: Observed, expected: Sequence[Any]) -> float | None:
    """Of a classifier: labels that are right. Of a reranker: pairs of texts of different labels that are in order. Of
    an embedder: texts whose nearest neighbour has their label. Of tensors: rows of the first output whose largest
    element is the expected one."""
    if manifest.kind == "embed":
        return _neighbours(np.stack(seen.rows), expected)
    if manifest.kind == "rerank":
        return _in_order(np.array([row[0] for row in seen.rows]), np.array(expected, np.float64))
    outputs = max(1, len(seen.rows) // len(expected))
    chosen = [int(np.ravel(row.argmax(axis=-1))[0]) for row in seen.rows[::outputs]]
    if manifest.kind == "classify":
        wanted = [manifest.labels.index(str(label)) for label in expected]
        return _rounded(float(np.mean(np.array(chosen) == wanted)))
    return _rounded(float(np.mean(np.array(chosen) == np.array(expected))))


def _neighbours(rows: Array, labels: Sequence[Any]) -> float | None:
    groups: dict[Any, int] = defaultdict(int)
    for label in labels:
        groups[label] += 1
    if len(groups) < FEW_LABELS or max(groups.values()) < 2:
        return None
    similar = _cosines(rows)
    np.fill_diagonal(similar, -np.inf)
    nearest = similar.argmax(axis=1)
    return _rounded(sum(labels[i] == labels[n] for i, n in enumerate(nearest)) / len(labels))


def _in_order(scores: Array, labels: Array) -> float | None:
    higher = labels[:, None] > labels[None, :]
    if not higher.any():
        return None
    return _rounded(float((scores[:, None] > scores[None, :])[higher].mean()))


def _rounded(value: float) -> float:
    return round(value, DIGITS)
