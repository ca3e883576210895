"""Check and Topic: what is said, in which language, with which status."""

import pytest

from freehold.deploy.doctor.check import Check, Level, Status, Text, Topic

TOPIC = Topic("cores", Text("why", "为何"), Text("usual fix", "常用办法"))


def test_a_check_is_told_in_either_language() -> None:
    """Words that are the same everywhere are given once."""
    check = TOPIC.ok("8", Text("eight", "八"))
    assert check == Check(
        "cores", "ok", Text("8", "8"), Text("eight", "八"), Text("why", "为何"), Text("usual fix", "常用办法")
    )
    assert check.told("zh") == {
        "id": "cores",
        "status": "ok",
        "found": "8",
        "needed": "八",
        "why": "为何",
        "fix": "常用办法",
    }


@pytest.mark.parametrize(("level", "status"), [("needed", "fail"), ("wished", "warn"), ("unasked", "skip")])
def test_what_lacks_counts_by_how_much_it_is_wanted(level: Level, status: Status) -> None:
    """The same absence fails one profile and is nothing to another; a better fix goes before the usual one."""
    assert TOPIC.lacking(level, "none", "8").status == status
    assert TOPIC.lacking(level, "none", "8", "do this").fix.en == "do this"


def test_an_unknown_fact_is_skipped_with_its_reason() -> None:
    """Nothing is judged that was not seen."""
    check = TOPIC.unknown("no such file", "8")
    assert (check.status, check.found) == ("skip", Text("unknown: no such file", "未知：no such file"))
