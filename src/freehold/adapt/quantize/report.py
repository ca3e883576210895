"""The quality report of a quantized artifact: what was made, what it costs, what it brings."""

from collections import Counter
from typing import Any

import msgspec

from freehold.adapt.quantize.quality import Quality
from freehold.adapt.quantize.search import Cost, Step
from freehold.adapt.quantize.speed import Speed
from freehold.artifact import Tolerance

SCHEMA = 1
MEDIA_TYPE = "application/vnd.freehold.report.v1+json"
FILE = "report.json"
SHOWN = 12
"""Rows of the sensitivity table: the rest costs less than these."""


class Data(msgspec.Struct, frozen=True):
    """Where the examples came from ("file eval.jsonl", "goldens and built-in samples") and how many they are."""

    origin: str
    calibration: int
    held_out: int


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """Outputs beside the recorded ones: the least cosine and the largest gap over `cases`, and what is allowed."""

    cases: int
    raw: bool
    cosine_min: float | None = None
    max_abs: float | None = None
    allowed: Tolerance | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `quantize` measured. Sizes in bytes; `kept` are the forms of weights in another than
    `form`, by their names."""

    schema: int
    kind: str
    name: str
    digest: str
    parent: str
    precision: str
    method: str
    form: str
    metric: str
    sensitivity_metric: str
    size_before: int
    size_after: int
    quality: Quality
    speed: Speed
    proof: Proof
    data: Data
    sensitivity: tuple[Cost, ...]
    kept: dict[str, str]
    quantized: int  # weights
    machine: str
    made_with: dict[str, str]
    seed: int
    min_quality: float | None = None
    search: tuple[Step, ...] = ()


def encode(report: Report) -> bytes:
    """As it is attached to its artifact."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def as_data(report: Report) -> dict[str, Any]:
    """As builtin types."""
    data: dict[str, Any] = msgspec.to_builtins(report)
    return data


def as_text(report: Report) -> str:
    """A table for a terminal."""
    quality, speed = report.quality, report.speed
    share = report.size_after / report.size_before
    rows = [
        ("weights", ", ".join([f"{report.quantized} in {report.form}", *_forms_kept(report)])),
        ("size", f"{_readable(report.size_before)} -> {_readable(report.size_after)} ({share:.0%})"),
        (
            "speed",
            f"{speed.ratio:.2f} times its parent's on one thread (the parent beside itself: {speed.control:.2f})",
        ),
        ("measured on", f"{report.data.held_out} examples held out ({report.data.origin})"),
        *_quality_rows(quality),
        ("proof", _proof_line(report.proof)),
    ]
    lines = [f"  {label:<12} {text}" for label, text in rows]
    worst = sorted(report.sensitivity, key=lambda cost: -cost.loss)[:SHOWN]
    if worst:
        measured = report.sensitivity_metric
        lines.append(f"  sensitivity  loss of {measured} where these weights alone are quantized, the worst first")
        lines += [f"    {cost.loss:.2e}  {cost.name}{_marked(report, cost)}" for cost in worst]
    return "\n".join(lines)


def _quality_rows(quality: Quality) -> list[tuple[str, str]]:
    rows = []
    if quality.cosine_mean is not None:
        rows.append(("cosine", f"mean {quality.cosine_mean:.6f}, least {quality.cosine_min:.6f}"))
    if quality.spearman is not None:
        rows.append(("spearman", f"{quality.spearman:.6f}"))
    if quality.top1 is not None:
        rows.append(("top-1", f"{quality.top1:.2%} the same choice as its parent"))
    if quality.perplexity_ratio is not None:
        rows.append(("perplexity", f"{quality.perplexity_ratio - 1:+.2%}"))
    if quality.accuracy is not None:
        rows.append(("accuracy", f"{quality.accuracy:.2%}, its parent {quality.accuracy_before:.2%}"))
    return rows


def _proof_line(proof: Proof) -> str:
    if not proof.cases:
        return "no goldens came with the parent: nothing proves this artifact"
    seen = [
        f"least cosine {proof.cosine_min:.6f}" if proof.cosine_min is not None else "",
        f"largest gap {proof.max_abs:.3g}" if proof.max_abs is not None else "",
    ]
    told = ", ".join(filter(None, seen)) or "agreement noted in them"
    return f"{proof.cases} {'raw' if proof.raw else 'own'} goldens replayed: {told}"


def _forms_kept(report: Report) -> list[str]:
    return [f"{count} in {form}" for form, count in sorted(Counter(report.kept.values()).items())]


def _marked(report: Report, cost: Cost) -> str:
    forms = sorted({report.kept[name] for name in cost.units if name in report.kept})
    return f"  ({', '.join(forms)})" if forms else ""


def _readable(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
