"""What a comparison of many answers comes to, and that it outlives its gateway."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Shadow
from freehold.errors import FreeholdError
from freehold.gateway.comparing.comparison import Comparison
from freehold.gateway.shadows.shadow_report import (
    REASONS,
    STEPS,
    WORST,
    Report,
    Reports,
    Spread,
    Times,
    encoded,
    known,
    load,
    moment,
)

SHADOW = Shadow("new")
FAST, SLOW = Times(0.01, 0.1), Times(0.02, 0.4)


def report() -> Report:
    return Report("chat", "new", "auto", 1e-3, 0.9, 100.0, 100.0)


def keep(reports: Reports) -> None:
    reports.write(reports.unwritten())


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=50), st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_quantiles_are_a_bucket_near(values: list[float], share: float) -> None:
    """At or above the value, by 12 % at most."""
    spread = Spread()
    for value in values:
        spread.add(value)
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    found = spread.quantile(share)
    assert found is not None
    assert exact * (1 - 1e-9) <= found <= exact * 10 ** (1 / STEPS) * (1 + 1e-9)


def test_nothing_and_infinity_have_their_places() -> None:
    """Before all others and behind them; a spread without values has no quantile."""
    spread = Spread()
    assert spread.quantile(0.5) is None
    for value in (0.0, -1e-17, 2.0, math.inf, math.nan):
        spread.add(value)
    assert (spread.zeros, spread.infinite, spread.count, spread.largest) == (2, 2, 5, 2.0)
    assert [spread.quantile(share) for share in (0.4, 0.6, 1.0)] == [0.0, 2.0, math.inf]


def test_answers_are_counted_by_kind_and_verdict() -> None:
    """With their measures and how long both took."""
    one = report()
    one.add("a", "old", Comparison("vectors", "equal", max_abs=0.0, cosine=1.0), FAST, SLOW, 101.0)
    one.add("b", "old", Comparison("vectors", "differs", "numbers", 20, 0.02, 0.5), FAST, SLOW, 102.0)
    one.add("c", "old", Comparison("scores", "within", "", 0.5, 5e-4, order=0.9), FAST, SLOW, 103.0)
    one.add("d", "old", Comparison("text", "differs", "text", 5, similarity=0.5), FAST, SLOW, 104.0)
    assert (one.kinds["vectors"].differs, one.total.equal, one.total.within, one.total.differs) == (1, 1, 1, 2)
    assert (one.numbers.count, one.angles.largest) == (3, 0.5)
    assert one.orders.largest == pytest.approx(0.1)
    assert (one.texts.largest, one.latency.whole.largest, one.shadow_latency.first.largest) == (0.5, 0.1, 0.02)
    assert [pair.request_id for pair in one.worst] == ["b", "d", "c"]
    assert (one.reasons, one.updated) == ({"numbers": 1, "text": 1}, 104.0)


def test_those_that_differ_most_are_named() -> None:
    """What has no measure comes first; only so many are kept."""
    one = report()
    for place in range(2 * WORST):
        one.add(f"r-{place}", "old", Comparison("text", "differs", "text", float(place)), FAST, SLOW, 1.0)
    one.add("status", "old", Comparison("error", "differs", "status 500 and 200", math.inf), FAST, SLOW, 2.0)
    assert [pair.request_id for pair in one.worst[:3]] == ["status", "r-39", "r-38"]
    assert len(one.worst) == WORST
    assert one.worst[0].excess is None


def test_reasons_are_bounded() -> None:
    """Another server may have any number of them."""
    one = report()
    for place in range(REASONS + 5):
        one.add("r", "old", Comparison("error", "differs", f"status 200 and {place}", 1.0), FAST, SLOW, 1.0)
    assert (len(one.reasons), one.reasons["other"]) == (REASONS + 1, 5)


def test_a_report_outlives_its_gateway(tmp_path: Path) -> None:
    """The next one goes on counting, unless the shadow or its bounds are others by then."""
    folder = tmp_path / "shadow"
    first = Reports(folder)
    first.of("chat", SHADOW, 1.0).drop("busy", 2.0)
    keep(first)
    second = Reports(folder)
    second.of("chat", SHADOW, 3.0).fail("timeout", 4.0)
    keep(second)
    kept = load(folder, "chat")
    assert (kept.dropped, kept.failed, kept.since, kept.updated) == ({"busy": 1}, {"timeout": 1}, 1.0, 4.0)
    assert Reports(folder).of("chat", Shadow("new", percent=5), 5.0).dropped == {"busy": 1}
    assert Reports(folder).of("chat", Shadow("new", tolerance=1), 5.0).dropped == {}
    assert Reports(folder).of("chat", Shadow("newer"), 5.0).since == 5.0


def test_only_what_has_changed_is_written(tmp_path: Path) -> None:
    """A gateway at rest leaves its disk alone."""
    reports = Reports(tmp_path)
    reports.of("chat", SHADOW, 1.0).drop("busy", 1.0)
    assert list(reports.unwritten()) == [tmp_path / "chat.json"]
    assert reports.unwritten() == {}


def test_infinities_survive_the_file(tmp_path: Path) -> None:
    """JSON has no word for them."""
    one = report()
    one.add("a", "old", Comparison("tensors", "differs", "numbers", math.inf, math.inf, math.nan), FAST, SLOW, 1.0)
    (tmp_path / "chat.json").write_bytes(encoded(one))
    kept = load(tmp_path, "chat")
    assert (kept.numbers.infinite, kept.angles.infinite, kept.worst[0].max_abs) == (1, 1, None)
    json.loads(encoded(one), parse_constant=pytest.fail)


def test_a_report_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the routes that have one."""
    keep_one = Reports(tmp_path)
    keep_one.of("chat", SHADOW, 1.0)
    keep(keep_one)
    (tmp_path / ".chat.json.123").write_bytes(b"")
    with pytest.raises(FreeholdError, match="chat") as told:
        load(tmp_path, "other")
    assert (told.value.code, list(known(tmp_path))) == ("shadow_report_absent", ["chat"])


def test_a_broken_report_is_told_and_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A gateway does not stop for it."""
    (tmp_path / "chat.json").write_bytes(b"{")
    with pytest.raises(FreeholdError) as told:
        load(tmp_path, "chat")
    assert told.value.code == "shadow_report_unreadable"
    assert Reports(tmp_path).of("chat", SHADOW, 1.0).total.count == 0
    assert "shadow_report_begun_anew" in caplog.text


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the gateway goes on in memory."""
    (tmp_path / "file").write_bytes(b"")
    reports = Reports(tmp_path / "file" / "shadow")
    for _ in range(2):
        reports.of("chat", SHADOW, 1.0).drop("busy", 1.0)
        keep(reports)
    assert caplog.text.count("shadow_reports_unwritable") == 1
    assert reports.of("chat", SHADOW, 1.0).dropped == {"busy": 2}


def test_two_may_write_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As at an end that comes while reports are being written."""
    reports = Reports(tmp_path)
    reports.of("chat", SHADOW, 1.0).drop("busy", 1.0)
    changed = reports.unwritten()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(reports.write, [changed] * 40))
    assert caplog.text == ""
    assert load(tmp_path, "chat").dropped == {"busy": 1}


def test_moments_are_told_in_utc() -> None:
    """The same wherever it is read."""
    assert moment(1_700_000_000.9) == "2023-11-14 22:13:20Z"
