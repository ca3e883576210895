"""Where two computations of the same thing part, step by step: the modules of a network, or the nodes of a graph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freehold.artifact import Tolerance
from freehold.artifact.compare import cosine, gaps
from freehold.engine.base import Array

HUGE = 1e30
"""Numbers beyond it stand for infinity, as masks have them: they count neither as a difference nor as a size."""


@dataclass(frozen=True)
class Gap:
    """How far `seen` is from `expected`. `largest` is the largest magnitude expected, masks aside."""

    max_abs: float
    largest: float
    cosine: float

    @property
    def relative(self) -> float:
        """The difference for each unit of the largest element, or of 1 where that is more."""
        return self.max_abs / max(1.0, self.largest)

    def within(self, tolerance: Tolerance) -> bool:
        """Inside a network elements are of any size: `max_abs` is what a largest element of 1 may differ by."""
        if tolerance.max_abs is not None and not self.relative <= tolerance.max_abs:
            return False
        return tolerance.cosine_min is None or self.cosine >= tolerance.cosine_min


@dataclass(frozen=True)
class Step:
    """One tensor that both made. `name` is the module or the node, `kind` its class or operator, `output` the tensor;
    `about` says what a node is of: the module that it was exported from, or the weights that it reads.

    `input_within` says whether what went into a module agreed: where it did not, the fault lies in what connects it to
    the modules before it. None where that is unknown.
    """

    name: str
    kind: str
    output: str
    shape: tuple[int, ...]
    gap: Gap
    within: bool
    input_within: bool | None = None
    about: str = ""


@dataclass(frozen=True)
class Trace:
    """Every step that could be compared, in the order in which the reference computed them.

    `unit` is "module" or "node"; `label` the shape class of the inputs; `unmatched` counts the steps of the reference
    that have no counterpart, as what was fused has none.
    """

    reference: str
    candidate: str
    unit: str
    label: str
    tolerance: Tolerance
    steps: tuple[Step, ...]
    unmatched: int = 0

    @property
    def first(self) -> Step | None:
        """The first step that differs by more than the tolerance."""
        return next((step for step in self.steps if not step.within), None)

    @property
    def before(self) -> Step | None:
        """The step before `first`: the last that agreed. None where the very first one differs, or none does."""
        first = self.first
        place = self.steps.index(first) if first is not None else 0
        return self.steps[place - 1] if place else None

    @property
    def jump(self) -> Step | None:
        """Where the difference grows most over all that came before it; None while there is only rounding."""
        largest, found, most = 0.0, None, NOISE
        for step in self.steps:
            if step.gap.relative - largest > most:
                found, most = step, step.gap.relative - largest
            largest = max(largest, step.gap.relative)
        return found


def widest(traces: Sequence[Trace]) -> Trace:
    """The trace whose last step differs most; one without steps only where there is no other."""
    return max(traces, key=lambda trace: trace.steps[-1].gap.relative if trace.steps else -1.0)


NOISE = 1e-4
"""Differences that float32 makes by itself, in units of the largest element: below it nothing has grown."""


def gap_of(expected: Array, seen: Array) -> Gap:
    """Of two arrays of one shape, in float64."""
    want, have = expected.astype(np.float64), seen.astype(np.float64)
    masked = ~((np.abs(want) < HUGE) & (np.abs(have) < HUGE))
    both = masked & ((want == have) | (np.isnan(want) & np.isnan(have)) | ((want < -HUGE) & (have < -HUGE)))
    want, have = np.where(both, 0.0, want), np.where(both, 0.0, have)
    gap = gaps(want, have)
    finite = np.isfinite(want) & np.isfinite(have)
    angle = cosine(np.where(finite, want, 0.0), np.where(finite, have, 0.0))
    return Gap(float(gap.max(initial=0.0)), float(np.abs(want[finite]).max(initial=0.0)), angle)


def alike(expected: Array, seen: Array) -> tuple[Array, Array] | None:
    """The two in one shape, where they hold the same elements in the same order; None where they cannot.

    Dimensions of 1 in front do not count: a lone sequence [1, tokens, hidden] is [tokens, hidden] to a graph that packs
    sequences. Where `seen` has fewer rows it is compared with the first or the last rows of `expected`, whichever are
    nearer: graphs leave out rows whose result nobody reads.
    """
    want, have = _without_ones(expected), _without_ones(seen)
    if want.shape == have.shape:
        return want, have
    if want.size == have.size and want.shape[-1:] == have.shape[-1:]:
        return want.reshape(have.shape), have
    have = have.reshape(-1, have.shape[-1]) if have.ndim else have
    if want.ndim == 2 and have.ndim == 2 and want.shape[1] == have.shape[1] and 0 < len(have) < len(want):
        parts: Sequence[Array] = (want[: len(have)], want[-len(have) :])
        return min(parts, key=lambda part: float(np.abs(part - have).max())), have
    return None


def _without_ones(array: Array) -> Array:
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array
