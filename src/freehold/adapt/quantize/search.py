"""Which weights cost the most quality, and how few of them must be kept in more bits."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import NamedTuple

import msgspec
import numpy as np

from freehold.adapt.quantize.forms import Form
from freehold.adapt.quantize.laboratory import Laboratory
from freehold.adapt.quantize.quality import Metric, Quality
from freehold.adapt.quantize.rewrite import Forms
from freehold.adapt.quantize.tasks import Task
from freehold.adapt.quantize.units import Unit
from freehold.errors import FreeholdError

MOST_GROUPS = 64
"""Groups of weights that are tried by themselves; of more, those of a layer are tried together."""
LEAST_SHARE = 0.5
"""Of the elements that products multiply: with less of them in the form that was asked for, it is not that form."""
LAYER = re.compile(r".*?(?:layers?|blocks?|h)[._/]\d+[._/]")

Say = Callable[[str], None]


class Cost(msgspec.Struct, frozen=True):
    """What quantizing one group of weights alone costs: `loss` is 1 less the metric's value."""

    name: str
    units: tuple[str, ...]  # the weights' names
    weights: int  # elements
    loss: float
    quality: Quality


class Step(msgspec.Struct, frozen=True):
    """One trial of the search: how many groups were kept in `form`, and the metric's value then."""

    kept: int
    form: str
    value: float


@dataclass(frozen=True)
class Group:
    """Weights that are quantized, or kept, together."""

    name: str
    units: tuple[Unit, ...]

    @property
    def elements(self) -> int:
        """Of all weights."""
        return sum(int(np.prod(unit.stored.shape)) for unit in self.units)

    @property
    def multiplied(self) -> int:
        """Elements that products multiply; tables are only looked up."""
        return sum(int(np.prod(unit.stored.shape)) for unit in self.units if not unit.looked_up)


class Found(NamedTuple):
    """The forms that hold, their quality on what was held out, and the trials."""

    forms: Forms
    quality: Quality
    steps: tuple[Step, ...]


def groups_of(units: Sequence[Unit], most: int = MOST_GROUPS) -> list[Group]:
    """Weights that multiply the same states together, since they share the states' quantized form; all others by
    themselves. Where that is more than `most` groups, those of one layer together, and then neighbours."""
    shared: dict[str, list[Unit]] = {}
    for unit in units:
        states = unit.uses[0].states if unit.uses[0].role != "lookup" else unit.name
        shared.setdefault(states, []).append(unit)
    if len(shared) <= most:
        return [Group(together([unit.name for unit in each]), tuple(each)) for each in shared.values()]
    layers = [(key, tuple(run)) for key, run in groupby(units, _layer_of)]
    size = -(-len(layers) // most)
    merged = [layers[start : start + size] for start in range(0, len(layers), size)]
    return [Group(", ".join(key for key, _ in run), tuple(u for _, each in run for u in each)) for run in merged]


def together(names: Sequence[str]) -> str:
    """One name for several: what differs in braces between what they share, "self.{query, key}.weight"."""
    if len(names) == 1:
        return names[0]
    parts = [name.split(".") for name in names]
    before = _alike(parts)
    after = _alike([each[before:][::-1] for each in parts])
    inner = [".".join(each[before : len(each) - after]) for each in parts]
    return ".".join([*parts[0][:before], f"{{{', '.join(inner)}}}", *parts[0][len(parts[0]) - after :]])


def _alike(parts: Sequence[Sequence[str]]) -> int:
    """How many of the first entries are the same in all."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*parts, strict=False)))


def costs(
    laboratory: Laboratory, groups: Sequence[Group], forms: Forms, task: Task, metric: Metric, say: Say
) -> list[Cost]:
    """What each group costs when it alone takes its forms, in the order of `groups`. Raises as `Laboratory.judge`."""
    seen = []
    for turn, group in enumerate(groups, 1):
        say(f"sensitivity {turn}/{len(groups)}: {group.name}")
        alone = {unit.name: forms[unit.name] for unit in group.units if unit.name in forms}
        judged = laboratory.judge(alone, task)
        seen.append(Cost(group.name, tuple(alone), group.elements, 1 - judged.of(metric), judged))
    return seen


def search(
    laboratory: Laboratory,
    groups: Sequence[Group],
    forms: Forms,
    ranked: Sequence[Cost],
    ladder: Sequence[Form | None],
    held_out: Task,
    metric: Metric,
    wanted: float,
    say: Say,
) -> Found:
    """The fewest of the worst groups in a form of `ladder` (None: as they are) with which `metric` is `wanted` on what
    was held out.

    Worst is what loses most an element. The number of groups is halved in on, as quality grows with it but for noise; a
    form further up the ladder is tried where the one before does not do.

    Of weights in more bits than were asked for, `LEAST_SHARE` sets an end.

    Raises FreeholdError `quantize_quality_unreached` with the best value, and as `Laboratory.judge`.
    """
    order = [group for group, _ in sorted(zip(groups, ranked, strict=True), key=lambda pair: _density(pair[1]))]
    bits = min(form.bits for form in forms.values())
    steps: list[Step] = []
    for form in ladder:
        more_bits = form is None or form.bits > bits
        most = _most_kept(order) if more_bits else len(order)
        found: Found | None = None
        low, high, k = 1, most, most
        while True:
            mixed = _with_kept(forms, order[:k], form)
            judged = laboratory.judge(mixed, held_out)
            value = judged.of(metric)
            steps.append(Step(k, form.name if form else "float", value))
            say(f"{k} of {len(order)} groups in {steps[-1].form}: {metric} {value:.6f}, wanted {wanted:g}")
            if value >= wanted:
                found, high = Found(mixed, judged, ()), k
            else:
                low = k + 1
            if low >= high:
                break
            k = (low + high) // 2
        if found is not None:
            return Found(found.forms, found.quality, tuple(steps))
        if not more_bits:  # it costs no size, and the next form starts from there
            forms = _with_kept(forms, order, form)
    best = max(steps, key=lambda step: step.value)
    reached = f"{math.floor(best.value * 1e6) / 1e6:.6f}"  # not more than it: it is what the fix asks for
    raise FreeholdError(
        "quantize_quality_unreached", metric=metric, wanted=wanted, best=reached, kept=best.kept, groups=len(order)
    )


def _density(cost: Cost) -> tuple[float, float]:
    """For sorting, the worst first: loss an element; where a metric sees none of it, the angle's."""
    angle = cost.quality.cosine_mean
    ratio = cost.quality.perplexity_ratio
    finer = 1 - angle if angle is not None else abs(ratio - 1) if ratio is not None else cost.quality.max_abs or 0.0
    return (-cost.loss / cost.weights, -finer / cost.weights)


def _most_kept(order: Sequence[Group]) -> int:
    """How many of the first groups may be kept."""
    whole = sum(group.multiplied for group in order)
    kept = 0
    for count, group in enumerate(order):
        kept += group.multiplied
        if whole and kept > (1 - LEAST_SHARE) * whole:
            return count
    return len(order)


def _with_kept(forms: Forms, kept: Sequence[Group], form: Form | None) -> Forms:
    names = {unit.name for group in kept for unit in group.units}
    mixed = {name: one for name, one in forms.items() if name not in names}
    return mixed if form is None else mixed | {name: form for name in names if name in forms}


def _layer_of(unit: Unit) -> str:
    layer = LAYER.match(unit.name)
    return layer[0].rstrip("._/") if layer else unit.name
