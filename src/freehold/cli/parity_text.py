"""Parity in lines for people and in data for programs."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.artifact import Tolerance
from freehold.cli.examine import Examined
from freehold.engine.parity import Parity, together

COLUMNS = ("output", "shape class", "cases", "max abs", "max rel", "cosine min", "mean", "top-1", "differ")


def parity_data(one: Examined) -> dict[str, Any]:
    """`tolerance` with where it comes from (null for tokens, which are judged one by one), and `parity` by output and
    shape class. An infinite difference, of which JSON has no number, is null."""
    judged_by = None
    if one.tolerance is not None:
        judged_by = {**msgspec.to_builtins(one.tolerance), "from": tolerance_source(one)}
    return {"tolerance": judged_by, "parity": [_as_data(row) for row in together(one.measured)]}


def tolerance_source(one: Examined) -> str:
    """`quality report` where the artifact carries a measured one, else `precision`."""
    return "quality report" if one.measured_tolerance else "precision"


def parity_lines(one: Examined) -> list[str]:
    """A table, with the tolerance above it; nothing where nothing was measured."""
    rows = together(one.measured)
    if not rows:
        return []
    cells = [COLUMNS, *(cells_of(row) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(COLUMNS))]
    margins = ("  parity  ", *(" " * 10 for _ in rows))
    table = [margin + _laid_out(line, widths) for margin, line in zip(margins, cells, strict=True)]
    return [f"  within  {tolerance_text(one)}", *table]


def tolerance_text(one: Examined) -> str:
    """`max_abs 0.0001 (of fp32)`, `cosine_min 0.98 (of the artifact's quality report)`."""
    if one.tolerance is None:
        return "token by token"
    origin = "the artifact's quality report" if one.measured_tolerance else one.precision
    return f"{allowed_text(one.tolerance)} (of {origin})"


def allowed_text(tolerance: Tolerance) -> str:
    """`max_abs 0.0001`, as a tolerance is written."""
    bounds = msgspec.to_builtins(tolerance)
    return ", ".join(f"{name} {value:g}" for name, value in bounds.items() if value is not None) or "anything"


def cells_of(row: Parity) -> tuple[str, ...]:
    """The columns of one line, "-" where a number has no meaning."""
    return (
        row.output,
        row.label or "-",
        str(row.cases),
        f"{row.max_abs:.1e}",
        f"{row.max_rel:.1e}",
        _cosine(row.cosine_min),
        _cosine(row.cosine_mean),
        f"{row.top1:.2%}" if row.top1 is not None else "-",
        str(row.differ),
    )


def _cosine(value: float | None) -> str:
    return "-" if value is None else f"{value:.7f}"


def _laid_out(line: Sequence[str], widths: Sequence[int]) -> str:
    named = [f"{cell:<{width}}" for cell, width in zip(line[:2], widths[:2], strict=True)]
    counted = [f"{cell:>{width}}" for cell, width in zip(line[2:], widths[2:], strict=True)]
    return "  ".join((*named, *counted)).rstrip()


def _as_data(row: Parity) -> dict[str, Any]:
    data: dict[str, Any] = {
        "output": row.output,
        "shape_class": row.label,
        "cases": row.cases,
        "differ": row.differ,
        "elements": row.elements,
        "max_abs": row.max_abs,
        "max_rel": row.max_rel,
        "cosine_min": row.cosine_min,
        "cosine_mean": row.cosine_mean,
        "top1_agreement": row.top1,
    }
    infinite = [name for name, value in data.items() if isinstance(value, float) and not math.isfinite(value)]
    return {**data, **dict.fromkeys(infinite)}
