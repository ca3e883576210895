"""Where two computations part, as data."""

import numpy as np
import pytest

from freehold.adapt.trace_steps import Gap, Step, Trace, alike, gap_of, widest
from freehold.artifact import Tolerance

CLOSE = Tolerance(max_abs=1e-4)


def step(name: str, relative: float) -> Step:
    gap = Gap(relative, 1.0, 1.0)
    return Step(name, "Linear", name, (1,), gap, gap.within(CLOSE))


def traced(*relatives: float) -> Trace:
    steps = tuple(step(str(place), relative) for place, relative in enumerate(relatives))
    return Trace("a", "b", "module", "short", CLOSE, steps)


def test_the_first_step_out_of_tolerance_and_the_one_before_it_are_named() -> None:
    """In the order of the reference; a later difference that heals or grows changes nothing."""
    trace = traced(1e-7, 2e-5, 0.5, 1e-6, 0.9)
    assert trace.first is trace.steps[2]
    assert trace.before is trace.steps[1]


def test_nothing_differs() -> None:
    """No first step, none before it."""
    assert (traced(1e-7, 1e-6).first, traced(1e-7).before, traced().first) == (None, None, None)
    assert traced(0.5).before is None


def test_the_largest_growth_is_found() -> None:
    """What a step adds to the worst before it; what falls and rises again adds nothing, and rounding is no growth."""
    trace = traced(1e-6, 1e-3, 0.1, 0.02, 0.12)
    assert trace.jump is trace.steps[2]
    assert traced(0.0, 1e-5).jump is None


def test_the_widest_trace_ends_farthest_off() -> None:
    """Whatever lies inside it; one without steps is the last to be chosen."""
    inside, end = traced(0.9, 0.1), traced(0.1, 0.2)
    assert widest([inside, end, traced()]) is end
    assert widest([traced()]).steps == ()


def test_a_tolerance_is_of_the_largest_element_inside_a_network() -> None:
    """States of a hundred may differ by a hundred times as much; small ones by the tolerance itself."""
    assert Gap(1e-3, 100.0, 1.0).within(CLOSE)
    assert not Gap(1e-3, 0.01, 1.0).within(CLOSE)
    assert not Gap(0.0, 1.0, 0.98).within(Tolerance(cosine_min=0.99))
    assert not Gap(float("nan"), 1.0, 1.0).within(CLOSE)


def test_masks_are_no_size_and_no_difference() -> None:
    """The lowest float, or infinity, where both have one; a mask on one side alone is a difference."""
    low = np.finfo(np.float32).min
    masked = np.array([low, 2.0, -np.inf], np.float32)
    gap = gap_of(masked, np.array([-np.inf, 2.5, low], np.float32))
    assert (gap.max_abs, gap.largest) == (0.5, 2.0)
    assert gap_of(masked, np.array([0.0, 2.0, low], np.float32)).max_abs > 1e30


def test_a_lone_sequence_has_the_shape_of_a_packed_one() -> None:
    """Dimensions of 1 in front are dropped; heads side by side are heads apart where the elements are the same."""
    whole = np.arange(12.0).reshape(1, 3, 4)
    arrays = alike(whole, whole[0])
    assert arrays is not None
    assert arrays[0].shape == arrays[1].shape == (3, 4)
    stacked = alike(whole.reshape(1, 1, 3, 4), whole.reshape(3, 1, 4))
    assert stacked is not None
    assert stacked[0].shape == (3, 1, 4)
    assert alike(whole, np.zeros((4, 3))) is None
    assert alike(np.zeros(()), np.zeros(())) is not None


@pytest.mark.parametrize("rows", [slice(0, 1), slice(2, 3), slice(1, 3)])
def test_rows_that_a_graph_leaves_out_are_left_out(rows: slice) -> None:
    """A graph that computes only first or last tokens is compared with those."""
    whole = np.arange(12.0).reshape(1, 3, 4)
    arrays = alike(whole, whole[0, rows])
    assert arrays is not None
    np.testing.assert_array_equal(*arrays)
