"""A trace in lines for people, in data for programs, and as a section of the page."""

import math
from html import escape
from typing import Any

import msgspec

from freehold.adapt.trace_steps import Step, Trace
from freehold.cli.charts import Mark, line_plot
from freehold.cli.parity_text import allowed_text
from freehold.cli.proof_page import plot
from freehold.errors import Language

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "module": "module",
        "node": "node",
        "title": "Where it differs",
        "compared": "compared {steps} {unit}s of {reference} ({unmatched} have no counterpart), case: {label}",
        "agree": "every {unit} agrees within {allowed}",
        "agree_more": "so the outputs part behind the last {unit}: in pooling or normalisation, or texts become other"
        " tokens",
        "first": "first to differ: {unit} {name} ({kind}), tensor {output}: {gap}, allowed {allowed}",
        "before": "before it, {unit} {name} ({kind}) agrees: {gap}",
        "input_agrees": "what goes into it agrees, so the fault is in the {unit} itself: its weights, its attributes,"
        " what it computes",
        "input_differs": "what goes into it differs already, so the fault lies between it and the {unit} before it",
        "jump": "the difference grows most at {unit} {name} ({kind}): {gap}",
        "last": "at the end: {unit} {name}: {gap}",
        "growth": "Difference along the graph, for each unit of the largest element",
        "tolerance": "tolerance",
    },
    "zh": {
        "module": "模块",
        "node": "节点",
        "title": "分歧位置",
        "compared": "比较了 {reference} 的 {steps} 个{unit}（{unmatched} 个没有对应项），用例：{label}",
        "agree": "所有{unit}均在 {allowed} 之内一致",
        "agree_more": "因此输出的分歧出在最后一个{unit}之后：池化、归一化，或文本分词方式",
        "first": "最先不一致：{unit} {name}（{kind}），张量 {output}：{gap}，允许 {allowed}",
        "before": "在其之前，{unit} {name}（{kind}）一致：{gap}",
        "input_agrees": "它的输入一致，因此问题在该{unit}本身：权重、属性或计算方式",
        "input_differs": "它的输入已不一致，因此问题在它与前一个{unit}之间",
        "jump": "误差在{unit} {name}（{kind}）处增长最多：{gap}",
        "last": "最后：{unit} {name}：{gap}",
        "growth": "误差沿计算图的变化（相对最大元素）",
        "tolerance": "容差",
    },
}


def trace_lines(trace: Trace, language: Language = "en", *, failed: bool = False) -> list[str]:
    """What a person reads: how much was compared, the first step that differs with the one before it, where the
    difference grows most, and what arrives at the end. `failed`: the proof failed, so something must differ."""
    words = WORDS[language]
    unit, allowed = words[trace.unit], allowed_text(trace.tolerance)

    def told(key: str, step: Step) -> str:
        kind = ", ".join(filter(None, (step.kind, step.about)))
        fields = {"name": step.name, "kind": kind, "output": step.output, "gap": gap_text(step)}
        return words[key].format(unit=unit, allowed=allowed, **fields)

    steps, label = len(trace.steps), trace.label or "-"
    lines = [
        words["compared"].format(
            steps=steps, unit=unit, reference=trace.reference, unmatched=trace.unmatched, label=label
        )
    ]
    first, before = trace.first, trace.before
    if first is None:
        lines.append(words["agree"].format(unit=unit, allowed=allowed))
        if failed:
            lines.append(words["agree_more"].format(unit=unit))
    else:
        lines.append(told("first", first))
        if before is not None:
            lines.append(told("before", before))
        if first.input_within is not None:
            lines.append(words["input_agrees" if first.input_within else "input_differs"].format(unit=unit))
    if trace.jump is not None and trace.jump != first:
        lines.append(told("jump", trace.jump))
    return lines if trace.jump is None else [*lines, told("last", trace.steps[-1])]


def trace_data(trace: Trace) -> dict[str, Any]:
    """The whole trace: `first`, `before` and `jump` are steps or null; `steps` are in the reference's order."""
    named = {"first": trace.first, "before": trace.before, "jump": trace.jump}
    return {
        "reference": trace.reference,
        "candidate": trace.candidate,
        "unit": trace.unit,
        "shape_class": trace.label,
        "tolerance": msgspec.to_builtins(trace.tolerance),
        "unmatched": trace.unmatched,
        **{key: _step(step) if step is not None else None for key, step in named.items()},
        "steps": [_step(step) for step in trace.steps],
    }


def trace_section(trace: Trace, language: Language) -> str:
    """HTML: the lines, and how the difference grows step by step."""
    words = WORDS[language]
    items = "".join(f"<li>{escape(line)}</li>" for line in trace_lines(trace, language))
    marks = [Mark(step.gap.relative, f"{step.name}: {gap_text(step)}", step.within) for step in trace.steps]
    picture = line_plot(marks, words[trace.unit], trace.tolerance.max_abs, words["tolerance"])
    return f"<section><h2>{escape(words['title'])}</h2><ul>{items}</ul>{plot(words['growth'], picture)}</section>\n"


def gap_text(step: Step) -> str:
    """`max abs 1.2e-01 of 3.4, cosine 0.9876543`."""
    return f"max abs {step.gap.max_abs:.1e} of {step.gap.largest:.3g}, cosine {step.gap.cosine:.7f}"


def _step(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "kind": step.kind,
        "about": step.about,
        "output": step.output,
        "shape": list(step.shape),
        "max_abs": step.gap.max_abs if math.isfinite(step.gap.max_abs) else None,
        "largest": step.gap.largest,
        "cosine": step.gap.cosine,
        "within": step.within,
        "input_within": step.input_within,
    }
