"""Which tensor of one graph is which of another, when some nodes were fused, split, quantized or named anew."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property

import numpy as np

from freehold.adapt.exposed import ExposedGraph, Node
from freehold.adapt.trace_steps import HUGE, alike, gap_of
from freehold.engine.base import Array

SAME = 1e-5
"""Two tensors whose elements differ by less, in units of the largest (of 1 where it is smaller), are taken for one."""

Values = Mapping[str, Array]


@dataclass(frozen=True)
class Computed:
    """One tensor of a graph, the node that made it, and its values."""

    name: str
    node: Node
    values: Array

    @cached_property
    def largest(self) -> float:
        """The largest magnitude among its values."""
        return float(np.abs(self.values).max())

    @property
    def form(self) -> tuple[object, ...]:
        """Operator and shape: what a step still has in common with its counterpart where names say nothing."""
        return self.node.op, tuple(dim for dim in self.values.shape if dim != 1)


@dataclass(frozen=True)
class Pair:
    """A tensor of the reference and what is taken for the same in the candidate."""

    ours: Computed
    theirs: Computed


def floats(graph: ExposedGraph, values: Values) -> list[Computed]:
    """The tensors of floats, in the order of the nodes. Counts and indices are left out: what they do wrong shows."""
    return [
        Computed(name, node, values[name])
        for node in graph.nodes
        for name in node.outputs
        if name in values and values[name].dtype.kind == "f" and values[name].size
    ]


def pairs(ours: list[Computed], theirs: list[Computed]) -> list[Pair]:
    """Counterparts in the order of `ours`; what has none is left out, and nothing is a counterpart twice.

    First tensors of one name whose values agree; then any two of one size whose values agree, which finds what was
    named anew; then products with the same weight, quantized or not; then tensors of one name that differ; at last what
    is left between two pairs, by operator and shape in their order.
    """
    matching = _Matching(ours, theirs)
    matching.by_name(_agree)
    matching.by_value()
    matching.by_weight()
    matching.by_name(lambda one, other: alike(one.values, other.values) is not None)
    matching.by_order()
    return [Pair(one, theirs[matching.found[place]]) for place, one in enumerate(ours) if place in matching.found]


@dataclass
class _Matching:
    """Places in `ours` -> places in `theirs`, as far as they are found."""

    ours: list[Computed]
    theirs: list[Computed]
    found: dict[int, int] = field(default_factory=dict)

    def by_name(self, fits: Callable[[Computed, Computed], bool]) -> None:
        """Equal names, where the two fit."""
        taken = self._taken()
        places = {one.name: place for place, one in enumerate(self.theirs) if place not in taken}
        for place, one in self._left():
            other = places.get(one.name)
            if other is not None and fits(one, self.theirs[other]):
                self.found[place] = other

    def by_value(self) -> None:
        """Equal values, the earliest that is left first."""
        by_size: dict[int, list[int]] = defaultdict(list)
        taken = self._taken()
        for place, other in enumerate(self.theirs):
            if place not in taken:
                by_size[other.values.size].append(place)
        for place, one in self._left():
            candidates = by_size[one.values.size]
            match = next((each for each in candidates if _agree(one, self.theirs[each])), None)
            if match is not None:
                self.found[place] = match
                candidates.remove(match)

    def by_weight(self) -> None:
        """The same weight, or one whose name begins so (`w_quantized`, `w.q8b32`), where only one node reads it.

        A fused node makes the tensor of the last that went into it, by whose name it is found.
        """
        ours, theirs, taken = _readers(self.ours), _readers(self.theirs), self._taken()
        names = {one.name for one in self.ours}
        for weight, place in ours.items():
            forms = [name for name in theirs if name not in ours and name.startswith((f"{weight}.", f"{weight}_"))]
            named = {theirs[name] for name in (weight, *forms) if name in theirs} - taken
            one = self.ours[place]
            whole = {at for at in named if self.theirs[at].node.op == one.node.op or self.theirs[at].name not in names}
            fits = [other for other in whole if _comparable(one, self.theirs[other])]
            if place not in self.found and len(fits) == 1:
                self.found[place] = fits[0]
                taken.add(fits[0])

    def by_order(self) -> None:
        """Between two pairs that are found, the longest common runs of operators and shapes."""
        taken = self._taken()
        left = [place for place, _ in self._left()]
        right = [place for place in range(len(self.theirs)) if place not in taken]
        forms = [self.ours[place].form for place in left], [self.theirs[place].form for place in right]
        for run in SequenceMatcher(None, *forms, autojunk=False).get_matching_blocks():
            for step in range(run.size):
                place, other = left[run.a + step], right[run.b + step]
                if self._in_order(place, other):
                    self.found[place] = other

    def _in_order(self, place: int, other: int) -> bool:
        """True when a pair of these two crosses none that is found."""
        return all((known < place) == (theirs < other) for known, theirs in self.found.items())

    def _left(self) -> list[tuple[int, Computed]]:
        return [(place, one) for place, one in enumerate(self.ours) if place not in self.found]

    def _taken(self) -> set[int]:
        return set(self.found.values())


def _readers(tensors: list[Computed]) -> dict[str, int]:
    """Weight -> the place of the one tensor that is made with it."""
    count = Counter(weight for one in tensors for weight in one.node.weights)
    return {weight: place for place, one in enumerate(tensors) for weight in one.node.weights if count[weight] == 1}


def _comparable(one: Computed, other: Computed) -> bool:
    """Of one shape and of about one size: a product of integers becomes the product only when it is scaled."""
    return alike(one.values, other.values) is not None and one.largest / 4 <= other.largest <= 4 * one.largest


def _agree(one: Computed, other: Computed) -> bool:
    arrays = alike(one.values, other.values) if one.values.size == other.values.size else None
    if arrays is None:
        return False
    want, have = arrays
    # Most pairs of one size are of different things, and one element tells.
    first, seen = float(want.flat[0]), float(have.flat[0])
    if abs(first) < HUGE and not abs(first - seen) <= SAME * max(1.0, one.largest):
        return False
    return gap_of(want, have).relative <= SAME
