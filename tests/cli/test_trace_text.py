"""A trace for people and programs."""

import math
from dataclasses import replace

import pytest

from freehold.adapt.trace_steps import Gap, Step, Trace
from freehold.artifact import Tolerance
from freehold.cli.trace_text import trace_data, trace_lines, trace_section
from freehold.errors import Language

CLOSE = Tolerance(max_abs=1e-4)


def trace(*gaps: float, unit: str = "module", given: bool | None = None) -> Trace:
    steps = []
    for place, max_abs in enumerate(gaps):
        gap = Gap(max_abs, 2.0, 1.0)
        steps.append(Step(f"layer.{place}", "Linear", f"t{place}", (2, 4), gap, gap.within(CLOSE), given))
    return Trace("raw", "model.onnx", unit, "batch 2", CLOSE, tuple(steps), unmatched=3)


def test_the_first_that_differs_is_named_with_the_one_before_it() -> None:
    """Its class, its tensor, both differences, and what came of it."""
    lines = trace_lines(trace(1e-6, 0.5, 1.5, given=True))
    assert lines[0] == "compared 3 modules of raw (3 have no counterpart), case: batch 2"
    assert lines[1].startswith("first to differ: module layer.1 (Linear), tensor t1: max abs 5.0e-01 of 2")
    assert lines[2].startswith("before it, module layer.0 (Linear) agrees: max abs 1.0e-06")
    assert "the fault is in the module itself" in lines[3]
    assert lines[-1].startswith("at the end: module layer.2: max abs 1.5e+00")


def test_inputs_that_differ_already_clear_the_module() -> None:
    """What connects it to the one before it is to blame."""
    assert any(
        "lies between it and the module before it" in line for line in trace_lines(trace(1e-6, 0.5, given=False))
    )


def test_agreement_is_told_and_what_is_left_to_suspect() -> None:
    """Where the proof failed all the same, what comes behind the last module."""
    assert trace_lines(trace(1e-6, unit="node"))[-1] == "every node agrees within max_abs 0.0001"
    assert "behind the last module" in trace_lines(trace(1e-6), failed=True)[-1]


def test_what_a_tolerance_allows_is_told_where_it_grows() -> None:
    """Of a quantized model every node is within, and one adds most."""
    one = trace(0.1, 0.7, 0.8, unit="node")
    loose = Trace("a", "b", "node", "", Tolerance(max_abs=1.0), tuple(replace(step, within=True) for step in one.steps))
    lines = trace_lines(loose)
    assert lines[1] == "every node agrees within max_abs 1"
    assert lines[2].startswith("the difference grows most at node layer.1 (Linear)")
    assert lines[3].startswith("at the end: node layer.2")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_languages_have_all_the_words(language: Language) -> None:
    """Lines and the section of the page."""
    one = trace(1e-6, 2e-4, 0.5, given=True)
    assert all("{" not in line for line in trace_lines(one, language))
    section = trace_section(one, language)
    assert "<svg" in section
    assert section.count("<li>") == len(trace_lines(one, language))


def test_data_has_every_step() -> None:
    """In order, with the named ones apart; an infinite difference is null."""
    data = trace_data(trace(1e-6, math.inf))
    assert [step["name"] for step in data["steps"]] == ["layer.0", "layer.1"]
    assert (data["first"]["name"], data["before"]["name"]) == ("layer.1", "layer.0")
    assert data["first"]["max_abs"] is None
    assert (data["unit"], data["shape_class"], data["unmatched"]) == ("module", "batch 2", 3)
    assert trace_data(trace(1e-6))["first"] is None
