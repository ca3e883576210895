"""All checks of a snapshot, and the table of them."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.doctor.check import STATUSES, Check, Text
from freehold.deploy.doctor.judging import Report, judge
from freehold.deploy.doctor.profile import PROFILES
from freehold.deploy.doctor.snapshot import Snapshot
from tests.deploy.doctor.known import MACHINES, document, machine
from tests.deploy.rendered_text import check_rendered

PROFILE_OF = {"edge-arm64": "edge", "pod-512mb": "cluster"}

STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", MACHINES)
def test_a_known_machine_is_told_as_agreed(name: str) -> None:
    """The whole table, in both languages, byte by byte."""
    report = judge(machine(name), PROFILES[PROFILE_OF.get(name, "recommended")])
    texts = {f"{language}.txt": report.text(language, colour=False) + "\n" for language in ("en", "zh")}
    check_rendered(f"doctor/{name}", texts)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=tuple(PROFILES))
@pytest.mark.parametrize("name", MACHINES)
def test_every_check_is_whole(name: str, profile: Any) -> None:
    """All fields are filled, in both languages, for every machine and profile."""
    report = judge(machine(name), profile)
    for language in ("en", "zh"):
        for row in report.data(language)["checks"]:
            assert set(row) == {"id", "status", "found", "needed", "why", "fix"}
            assert all(row.values()), row
            assert not re.search(r"\{[a-z]+\}", "".join(row.values())), row  # a template that nobody filled
            assert row["status"] in STATUSES


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested data, its top aside."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, inner in entries for found in ((*path, name), *paths(inner, (*path, name)))]


@settings(max_examples=60)
@given(st.data())
def test_judging_never_raises_whatever_a_snapshot_lacks(data: st.DataObject) -> None:
    """Facts of a real machine dropped and replaced at any depth: each check is still made, and can be shown."""
    changed = document(data.draw(st.sampled_from(sorted(MACHINES))))
    for _ in range(data.draw(st.integers(1, 4))):
        places = paths(changed["facts"], ("facts",))
        if not places:
            break
        *above, last = data.draw(st.sampled_from(places))
        holder = changed
        for step in above:
            holder = holder[step]
        if data.draw(st.booleans()):
            del holder[last]
        else:
            holder[last] = data.draw(STRANGE)
    changed["unknown"] = data.draw(st.just({}) | STRANGE)
    profile = data.draw(st.sampled_from(list(PROFILES.values())))
    report = judge(Snapshot.of(changed), profile)
    assert {check.id for check in judge(Snapshot({}, {}), profile).checks} <= {check.id for check in report.checks} | {
        "ports",
        "ca",
    }
    assert report.text("en", colour=True)
    json.dumps(report.data("zh"))


def test_judging_is_pure() -> None:
    """The same snapshot, the same report; and nothing of it is changed."""
    before = document("centos-7")
    snapshot = Snapshot.of(before)
    first, second = (judge(snapshot, PROFILES["minimal"]) for _ in range(2))
    assert first == second
    assert before == document("centos-7")


def test_an_empty_snapshot_is_not_fine_by_silence() -> None:
    """What is unknown is told as skipped, and what a profile needs and is nowhere fails."""
    report = judge(Snapshot({}, {}), PROFILES["recommended"])
    assert {check.id for check in report.checks if check.status == "fail"} == {"docker", "compose"}
    assert report.counts["ok"] == 0


def one(status: Any) -> Check:
    return Check("cores", status, Text("2", "2"), Text("8", "8"), Text("why", "为何"), Text("do", "做"))


def test_a_table_says_more_of_what_is_not_fine() -> None:
    """Needed, why and fix stand below a warning and a failure; a summary is last; warnings are fine."""
    report = Report("minimal", (one("ok"), one("warn")))
    assert report.ok
    assert report.text("zh", colour=False) == (
        "ok    cores  2\nwarn  cores  2\n             需要: 8\n             为何\n             解决办法: 做\n"
        "\nminimal: 可以使用 (1 ok, 1 warn, 0 fail, 0 skip)"
    )
    assert not Report("minimal", (one("fail"),)).ok


def test_colours_are_the_statuses_alone() -> None:
    """A terminal shows green, yellow, red and grey; the text is the same."""
    coloured = Report("edge", tuple(map(one, STATUSES))).text("en", colour=True)
    assert [f"\x1b[{code}m" in coloured for code in (32, 33, 31, 90)] == [True] * 4
    assert coloured.splitlines()[0] == "\x1b[32mok  \x1b[0m  cores  2"


def test_a_report_as_data_has_the_wires_shape() -> None:
    """What scripts lean on."""
    data = Report("edge", (one("fail"),)).data("en")
    assert data == {
        "ok": False,
        "profile": "edge",
        "summary": {"ok": 0, "warn": 0, "fail": 1, "skip": 0},
        "checks": [{"id": "cores", "status": "fail", "found": "2", "needed": "8", "why": "why", "fix": "do"}],
    }
