"""A shadow's report in lines and in data."""

import json
import math

from freehold.cli.shadow_text import bounds_text, data_of, lines_of
from freehold.gateway.comparing.comparison import Comparison
from freehold.gateway.shadows.shadow_report import Report, Times

MINE, THEIRS = Times(0.01, 0.1), Times(0.02, 0.2)


def report(compare: str = "auto") -> Report:
    return Report("chat", "new", compare, 1e-3, 0.9, 0.0, 0.0)


def test_a_report_in_lines() -> None:
    """What was compared, why it differs, how long it took, and which requests differ most."""
    one = report()
    one.add("r-1", "old", Comparison("vectors", "equal", "", 0.0, 0.0, 1.0), MINE, THEIRS, 60.0)
    one.add("r-2", "old", Comparison("vectors", "differs", "numbers", 20.0, 0.02, 0.75), MINE, THEIRS, 120.0)
    one.drop("busy", 120.0)
    one.fail("timeout", 180.0)
    assert list(lines_of(one)) == [
        "chat beside new, 1970-01-01 00:00:00Z to 1970-01-01 00:03:00Z",
        "  compared  2: 1 equal, 0 within bounds, 1 differ",
        "  bounds    auto: tolerance 0.001, similarity 0.9",
        "  dropped   busy 1",
        "  failed    timeout 1",
        "  because   numbers 1",
        "",
        "  answers  compared  equal  within  differ",
        "  vectors  2         1      0       1",
        "",
        "                                    p50   p90   p99   most",
        "  largest difference                0     0.02  0.02  0.02",
        "  1 - cosine                        0     0.25  0.25  0.25",
        "  clients' answers, first byte (s)  0.01  0.01  0.01  0.01",
        "  clients' answers, whole (s)       0.1   0.1   0.1   0.1",
        "  shadow's answers, first byte (s)  0.02  0.02  0.02  0.02",
        "  shadow's answers, whole (s)       0.2   0.2   0.2   0.2",
        "",
        "  differ most  when                  answer   of   why      measured                   s      shadow s",
        "  r-2          1970-01-01 00:02:00Z  vectors  old  numbers  max_abs 0.02, cosine 0.75  0.100  0.200",
    ]


def test_before_the_first_answer_there_is_little_to_say() -> None:
    """And nothing breaks."""
    assert len(list(lines_of(report()))) == 3
    told = data_of(report())
    assert (told["compared"], told["share_differs"], told["quantiles"]["latency"]["whole"]["p50"]) == (0, None, None)


def test_only_bounds_that_are_used_are_told() -> None:
    """By what is compared."""
    told = [bounds_text(report(compare)) for compare in ("exact", "numeric", "text")]
    assert told == ["exact: equal", "numeric: tolerance 0.001", "text: similarity 0.9"]


def test_data_is_json_whatever_was_measured() -> None:
    """An infinite difference is null."""
    one = report()
    one.add("r", "old", Comparison("tensors", "differs", "numbers", math.inf, math.inf, math.nan), MINE, THEIRS, 1.0)
    told = data_of(one)
    json.dumps(told, allow_nan=False)
    assert told["quantiles"]["numbers"] == {"p50": None, "p90": None, "p99": None, "most": None}
    assert told["numbers"]["infinite"] == 1
