"""Plots as inline SVG, for pages that hold all they need: no script, no font and no style from elsewhere.

Colours are the page's custom properties (`--good`, `--bad`, `--line`, `--quiet`), so a plot follows its light or dark
form. Each mark has a `title`, which browsers show where a pointer rests on it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 56, 10, 14, 46
"""Small enough that text of 14 units can be read on a telephone, which shows a picture at two thirds of its size."""
TICK_WIDTH = 46
LEAST = 1e-12
"""What is drawn for 0 and everything below it, where the scale is logarithmic."""


@dataclass(frozen=True)
class Mark:
    """One value, 0 or more, with what a reader sees of it where it is pointed at."""

    value: float
    title: str
    good: bool = True


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis from `low` to `high`, both whole exponents of ten."""

    low: int
    high: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Scale":
        """Whole decades around `values`."""
        exponents = [math.log10(_drawn(value)) for value in values] or [0.0]
        low = math.floor(min(exponents))
        return cls(low, max(math.ceil(max(exponents)), low + 1))

    def y(self, value: float) -> float:
        """Where `value` is drawn, in units of the picture from its top."""
        return TOP + (1 - self.share(value)) * (HEIGHT - TOP - BOTTOM)

    def share(self, value: float) -> float:
        """How far along the axis `value` lies, 0 to 1."""
        share = (math.log10(_drawn(value)) - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self) -> list[int]:
        """At most seven exponents to write at the axis."""
        step = max(1, math.ceil((self.high - self.low) / 6))
        return list(range(self.low, self.high + 1, step))


def marks_plot(marks: Sequence[Mark], across: str, limit: float | None = None, limit_text: str = "") -> str:
    """A mark a value, in their order, over a logarithmic axis; `limit` is a dashed line. `across` names the order."""
    scale, places, step = _laid_out(marks, limit)
    radius = max(1.5, min(5.0, step / 3))
    parts = []
    for (x, y), mark in zip(places, marks, strict=True):
        colour = "good" if mark.good else "bad"
        parts.append(
            f'<g class="{colour}"><line x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" y2="{y:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{escape(mark.title)}</title></circle></g>'
        )
    return _picture([_axis(scale), *parts, _limit(scale, limit, limit_text), _across(across)], across)


def line_plot(marks: Sequence[Mark], across: str, limit: float | None = None, limit_text: str = "") -> str:
    """The marks' values as one line in their order; marks that are not good are drawn on it. As `marks_plot` else."""
    scale, places, _ = _laid_out(marks, limit)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline class="path" points="{path}"/>']
    for (x, y), mark in zip(places, marks, strict=True):
        colour = "good" if mark.good else "bad"
        parts.append(
            f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{2.0 if mark.good else 3.5}">'
            f"<title>{escape(mark.title)}</title></circle>"
        )
    return _picture([_axis(scale), *parts, _limit(scale, limit, limit_text), _across(across)], across)


def _laid_out(marks: Sequence[Mark], limit: float | None) -> tuple[Scale, list[tuple[float, float]], float]:
    """The axis, x and y of each mark on it, and the width that a mark has."""
    scale = Scale.of([*(mark.value for mark in marks), *([] if limit is None else [limit])])
    step = (WIDTH - LEFT - RIGHT) / max(1, len(marks))
    return scale, [(LEFT + step * (place + 0.5), scale.y(mark.value)) for place, mark in enumerate(marks)], step


@dataclass(frozen=True)
class Curve:
    """Values, rising, each with the share of all (0 to 1) at or below it; `colour` is a property of the page."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = "--bar"


def shares_plot(curves: Sequence[Curve], across: str) -> str:
    """Which share lies below each value, a line a curve, over a logarithmic axis that all share. `across` names it."""
    values = [value for curve in curves for value, _ in curve.points]
    scale = Scale.of(values)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = []
    for share in (0, 0.5, 1):
        y = TOP + (1 - share) * high
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        )
    for exponent in scale.ticks():
        x = LEFT + scale.share(10.0**exponent) * wide
        anchor = "end" if exponent == scale.high else "middle"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}">1e{exponent}</text>')
    for place, curve in enumerate(curves):
        corners = [(LEFT + scale.share(value) * wide, TOP + (1 - share) * high) for value, share in curve.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        style, name = f"var({curve.colour})", escape(curve.name)
        parts.append(
            f'<polyline class="path" style="stroke: {style}" points="{path}"><title>{name}</title></polyline>'
            f'<text x="{LEFT + 6}" y="{TOP + 16 * (place + 1)}" style="fill: {style}">{name}</text>'
        )
    return _picture([*parts, _across(across)], across)


def histogram(counts: Sequence[int], edges: Sequence[float], across: str) -> str:
    """Bars of `counts`, one more than `edges`: the first is what lies at or below the first edge, the last what lies
    above the last. Empty ends are left out. `across` names what was counted."""
    filled = [place for place, count in enumerate(counts) if count] or [0]
    first, last = filled[0], filled[-1]
    shown = range(first, last + 1)
    most = max([counts[place] for place in shown] + [1])
    step = min(52.0, (WIDTH - LEFT - RIGHT) / len(shown))
    labelled = math.ceil(TICK_WIDTH / step)
    parts = []
    for turn, place in enumerate(shown):
        share = counts[place] / most
        x, height = LEFT + step * turn, share * (HEIGHT - TOP - BOTTOM)
        title = f"{_range(place, edges)}: {counts[place]}"
        parts.append(
            f'<rect class="bar" x="{x + 1:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" width="{max(1.0, step - 2):.1f}"'
            f' height="{height:.1f}"><title>{escape(title)}</title></rect>'
        )
        if place < len(edges) and turn % labelled == 0 and x + step < WIDTH - TICK_WIDTH / 2:
            parts.append(
                f'<text x="{x + step:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{edges[place]:.0e}</text>'
            )
    base = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    parts.append(f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{most}</text>')
    return _picture([*parts, _across(across)], across)


def _range(place: int, edges: Sequence[float]) -> str:
    if place == 0:
        return f"<= {edges[0]:.1e}"
    return f"{edges[place - 1]:.1e} - {edges[place]:.1e}" if place < len(edges) else f"> {edges[-1]:.1e}"


def _drawn(value: float) -> float:
    return min(max(value, LEAST), 1 / LEAST)


def _axis(scale: Scale) -> str:
    parts = []
    for exponent in scale.ticks():
        y = scale.y(10.0**exponent)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>'
        )
    return "".join(parts)


def _limit(scale: Scale, limit: float | None, text: str) -> str:
    if limit is None:
        return ""
    y = scale.y(limit)
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="limit" x="{WIDTH - RIGHT}" y="{y - 4:.1f}" text-anchor="end">{escape(text)}</text>'
    )


def _across(text: str) -> str:
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    return f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(text)}</text>'


def _picture(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )
