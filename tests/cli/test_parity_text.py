"""Parity as lines and as data."""

import json
import math

from freehold.artifact import RecordedBy, Tolerance
from freehold.cli.examine import Examined, GoldenFile, Replayed
from freehold.cli.parity_text import parity_data, parity_lines, tolerance_text
from freehold.engine.parity import EDGES, Measured

CLOSE = Tolerance(max_abs=1e-4)
BARS = (0,) * len(EDGES)


def examined(*measured: Measured, tolerance: Tolerance | None = CLOSE, report: bool = False) -> Examined:
    replayed = tuple(Replayed(one.case, 0.1, measured=(one,)) for one in measured)
    golden = GoldenFile("raw.json", RecordedBy("torch", "2", "sha256:0"), raw=True, cases=2, replayed=replayed)
    return Examined("m", "/m", goldens=(golden,), precision="fp32", tolerance=tolerance, measured_tolerance=report)


FINE = Measured(0, "batch 1", "logits", True, 4, 1e-6, 2e-6, (4, *BARS), cosine=1.0, top1=2, rows=2)
OFF = Measured(1, "long", "logits", False, 4, 0.5, math.inf, (0, *BARS[1:], 4), cosine=0.9)


def test_each_output_and_shape_class_has_a_line() -> None:
    """Under names of columns, with the tolerance that judged them; what has no meaning is a dash."""
    lines = parity_lines(examined(FINE, OFF))
    assert lines[0] == "  within  max_abs 0.0001 (of fp32)"
    assert lines[1].split()[:4] == ["parity", "output", "shape", "class"]
    assert lines[2].split() == [
        "logits", "batch", "1", "1", "1.0e-06", "2.0e-06", "1.0000000", "1.0000000", "100.00%", "0",
    ]  # fmt: skip
    assert lines[3].split() == ["logits", "long", "1", "5.0e-01", "inf", "0.9000000", "0.9000000", "-", "1"]


def test_nothing_measured_shows_nothing() -> None:
    """A model without goldens has no table."""
    assert parity_lines(examined()) == []
    assert parity_data(examined())["parity"] == []


def test_data_has_the_same_numbers() -> None:
    """As JSON can hold them: an infinite one is null."""
    data = parity_data(examined(FINE, OFF))
    assert data["tolerance"] == {"max_abs": 1e-4, "from": "precision"}
    fine, off = data["parity"]
    assert (fine["output"], fine["shape_class"], fine["max_abs"], fine["top1_agreement"]) == (
        "logits",
        "batch 1",
        1e-6,
        1.0,
    )
    assert (off["differ"], off["max_rel"], off["cosine_min"]) == (1, None, 0.9)
    assert "Infinity" not in json.dumps(data)


def test_the_tolerance_says_where_it_comes_from() -> None:
    """A quality report's own, the row of the precision, or none where tokens are judged."""
    measured = examined(FINE, tolerance=Tolerance(cosine_min=0.98), report=True)
    assert tolerance_text(measured) == "cosine_min 0.98 (of the artifact's quality report)"
    assert parity_data(measured)["tolerance"]["from"] == "quality report"
    assert tolerance_text(examined(FINE, tolerance=None)) == "token by token"
    assert parity_data(examined(FINE, tolerance=None))["tolerance"] is None
