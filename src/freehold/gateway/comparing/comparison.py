"""Two answers to one request: how they differ, in measures, and whether that is within bounds.

A comparison tells measures, counts and reasons, never what the answers say, so that it may be kept and shown.
"""

import math
import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from freehold.artifact.compare import apart
from freehold.config import Shadow
from freehold.gateway.comparing.contents import Answer, Array, Content, Kind, read

Verdict = Literal["equal", "within", "differs"]

LONGEST = 4096
"""Words of a text that are compared in their order: the work grows with the square, here to some 10 ms."""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"\s*(?:[{_CJK}]|[^\W{_CJK}]+|[^\w\s])|\s+")
_TOLD = frozenset({"status", "vectors", "dimensions", "choices"})
"""Facts whose values are told: numbers that say nothing of what was asked."""


@dataclass(frozen=True)
class Bounds:
    """What may differ.

    `auto`: numbers by `tolerance`, texts by `similarity`; `numeric` and `text` allow only the one of them, `exact`
    neither. Whatever else an answer holds must be equal.
    """

    compare: Literal["auto", "exact", "numeric", "text"] = "auto"
    tolerance: float = 1e-3
    similarity: float = 0.9

    @classmethod
    def of(cls, shadow: Shadow) -> "Bounds":
        """Those of a route's shadow."""
        return cls(shadow.compare, shadow.tolerance, shadow.similarity)

    @property
    def numbers_apart(self) -> float:
        """The largest absolute difference of numbers."""
        return self.tolerance if self.compare in ("auto", "numeric") else 0.0

    @property
    def texts_apart(self) -> float:
        """The largest part of a text that may differ: 1 - similarity."""
        return 1 - self.similarity if self.compare in ("auto", "text") else 0.0


@dataclass(frozen=True)
class Comparison:
    """How the second answer differs from the first.

    `excess` is the largest difference as a multiple of its bound: above 1 it is out of bounds, and infinite where
    nothing may differ. A measure is None where it means nothing: `max_abs` (largest absolute difference of numbers,
    infinite beside NaN), `cosine` (the least of all vectors or tensors), `order` (share of pairs of documents ranked
    alike), `similarity` (the least of all texts).
    """

    kind: Kind
    verdict: Verdict
    reason: str = ""
    excess: float = 0.0
    max_abs: float | None = None
    cosine: float | None = None
    order: float | None = None
    similarity: float | None = None


def compare(expected: Answer, seen: Answer, bounds: Bounds) -> Comparison:
    """How `seen` differs from `expected`, and whether by more than `bounds`."""
    mine, theirs = read(expected), read(seen)
    if expected.status != seen.status:
        return _unlike(mine, f"status {expected.status} and {seen.status}")
    if mine.kind != theirs.kind:
        return _unlike(mine, f"{mine.kind} and {theirs.kind}")
    for name, value in mine.facts.items():
        other = theirs.facts[name]
        if value != other:
            return _unlike(mine, f"{name} {_told(value)} and {_told(other)}" if name in _TOLD else name)
    return _measured(mine, theirs, bounds)


def similarity(mine: str, theirs: str) -> float:
    """How alike two texts are, 0 to 1; 1 only for equal ones: 2 LCS / (words of both).

    LCS is the longest common subsequence of words: what of both is the same, in the same order. A word is one with the
    space before it; of Chinese and Japanese each character is one. Of texts whose unlike middles are longer than
    `LONGEST` words only how often each word occurs is compared.
    """
    if mine == theirs:
        return 1.0
    a, b = _WORD.findall(mine), _WORD.findall(theirs)
    total, (a, b) = len(a) + len(b), _middles(a, b)
    alike = total - len(a) - len(b)
    if max(len(a), len(b)) > LONGEST:
        shared = min((Counter(a) & Counter(b)).total(), len(a) + len(b) - 1)
        return min((alike + 2 * shared) / total, math.nextafter(1, 0))
    return (alike + 2 * _common(a, b)) / total


def _unlike(mine: Content, reason: str) -> Comparison:
    """Answers of which no measure can be taken."""
    return Comparison(mine.kind, "differs", reason, math.inf)


def _told(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join(map(str, sorted(set(value)))) or "none"


def _measured(mine: Content, theirs: Content, bounds: Bounds) -> Comparison:
    pairs = [(a, b) for a, b in zip(mine.numbers, theirs.numbers, strict=True) if a.size]
    measures = [apart(a, b) for a, b in pairs]
    max_abs = max((gap for _, gap in measures), default=None)
    angular = mine.kind in ("vectors", "tensors") and measures
    cosine = min(cosine for cosine, _ in measures) if angular else None
    alike = [similarity(a, b) for a, b in zip(mine.texts, theirs.texts, strict=True)]
    order = ranked_alike(mine.order, theirs.order) if mine.kind == "scores" else None

    found = {
        "order": _excess(_misplaced(mine, theirs), 2 * bounds.numbers_apart),
        "numbers": _excess(max_abs or 0.0, bounds.numbers_apart),
        "text": _excess(1 - min(alike, default=1.0), bounds.texts_apart),
    }
    reason, excess = max(found.items(), key=lambda item: item[1])
    equal = mine.order == theirs.order and mine.texts == theirs.texts and all(_same(a, b) for a, b in pairs)
    if bounds.compare == "exact" and not equal:
        excess = math.inf
    verdict: Verdict = "equal" if equal else "within" if excess <= 1 else "differs"
    reason = reason if verdict == "differs" else ""
    return Comparison(mine.kind, verdict, reason, excess, max_abs, cosine, order, min(alike, default=None))


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _excess(difference: float, bound: float) -> float:
    if difference == 0:
        return 0.0
    return difference / bound if bound else math.inf


def _misplaced(mine: Content, theirs: Content) -> float:
    """By how much the second ranking puts a document behind one that the first gives less; ties may change places."""
    if mine.order == theirs.order:
        return 0.0
    documents = np.array(sorted(mine.order))
    scores = mine.numbers[0][np.searchsorted(documents, np.array(theirs.order))]
    return float(np.max(scores - np.minimum.accumulate(scores)))


def ranked_alike(mine: Sequence[int], theirs: Sequence[int]) -> float:
    """The share of pairs that two rankings of the same documents put in the same order (Kendall's tau is twice that,
    less 1)."""
    places = {document: place for place, document in enumerate(mine)}
    passed: list[int] = []
    turned = 0
    for document in theirs:
        place = places[document]
        turned += len(passed) - bisect_left(passed, place)
        insort(passed, place)
    pairs = len(passed) * (len(passed) - 1) // 2
    return 1 - turned / pairs if pairs else 1.0


def _middles(a: list[str], b: list[str]) -> tuple[list[str], list[str]]:
    """Both without their common beginning and end."""
    start, most = 0, min(len(a), len(b))
    while start < most and a[start] == b[start]:
        start += 1
    end = 0
    while end < most - start and a[-1 - end] == b[-1 - end]:
        end += 1
    return a[start : len(a) - end], b[start : len(b) - end]


def _common(a: list[str], b: list[str]) -> int:
    """The length of the longest common subsequence, a row of its table in the bits of one integer (Hyyrö, "Bit-parallel
    LCS-length computation revisited", 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << place
    ones = row = (1 << len(a)) - 1
    for word in b:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & ones
    return len(a) - row.bit_count()
