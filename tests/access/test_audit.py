"""Writing the audit: before an act counts as done, and behind the requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.access import audit as audit_module
from freehold.access.act import Act
from freehold.access.audit import Audit
from freehold.access.database import Database
from freehold.access.trail import Query, Trail
from freehold.access.turned_away import Refused
from freehold.access.verdict import verify
from freehold.errors import FreeholdError
from freehold.telemetry import Telemetry
from tests.access.full_disk import full

QUEUE, BATCH = 100, 30
"""As in the module, and smaller."""
LOAD = Act("model.load", "alice", model="m")
LARGE = Act("inference", "k", details={f"d{number}": "x" * 500 for number in range(40)})


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "QUEUE", QUEUE)
    monkeypatch.setattr(audit_module, "BATCH", BATCH)


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    """Without lines."""
    database = Database.open(tmp_path)
    yield Trail(database, "n")
    database.close()


def written(trail: Trail) -> list[dict[str, Any]]:
    return [kept.document() for page in trail.pages(Query(None)) for kept in page]


def outcomes(trail: Trail) -> list[tuple[str, str]]:
    return [(line["what"], line["outcome"]) for line in written(trail)]


def exposed(telemetry: Telemetry, name: str) -> float:
    lines = telemetry.exposition()[0].decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def test_an_administrative_act_is_on_disk_at_once(trail: Trail, tmp_path: Path) -> None:
    """Another process sees it before the caller goes on; the log has the head, for whoever keeps logs elsewhere."""
    telemetry = Telemetry(process=False)
    Audit(trail, telemetry).write(LOAD)
    other = Database.open(tmp_path)
    assert outcomes(Trail(other, "other")) == [("model.load", "done")]
    other.close()
    assert exposed(telemetry, "freehold_audit_lines_total") == 1


def test_an_attempt_has_a_line_before_and_one_after(trail: Trail) -> None:
    """What was found out meanwhile stands in the second; what failed has its code, what was cut says so."""
    audit = Audit(trail, Telemetry(process=False))
    with audit.attempt(LOAD) as turned_out:
        assert outcomes(trail) == [("model.load", "asked")]
        turned_out(Act("model.load", "alice", model="m", digest="sha256:12"))
    assert written(trail)[-1]["digest"] == "sha256:12"
    with pytest.raises(FreeholdError, match="key_wrong"), audit.attempt(LOAD):
        raise FreeholdError("key_wrong")
    with pytest.raises(KeyboardInterrupt), audit.attempt(LOAD):
        raise KeyboardInterrupt
    assert [outcome for _, outcome in outcomes(trail)] == ["asked", "done", "asked", "key_wrong", "asked", "cut"]


def test_what_is_noted_is_written_behind(trail: Trail) -> None:
    """In its order, with the moment in which it was noted and not that of the writing."""
    now = [1000.0]
    audit = Audit(trail, Telemetry(process=False), clock=lambda: now[0])
    for number in range(BATCH + 5):
        audit.note(Act("inference", "k", tokens_in=number))
        now[0] += 1
    assert written(trail) == []
    audit.flush()
    lines = written(trail)
    assert len(lines) == BATCH + 5
    assert (lines[1]["tokens_in"], lines[1]["at"]) == (1, "1970-01-01T00:16:41.000Z")


def test_failed_logins_are_written_as_a_group(trail: Trail) -> None:
    """When their time has come, or at the end."""
    audit = Audit(trail, Telemetry(process=False))
    for _ in range(2):
        audit.refused(Refused("login", "192.0.2.1", "key_wrong"))
    audit.flush()
    assert written(trail) == []
    audit.close()
    assert [(line["where"], line["details"]) for line in written(trail)] == [("192.0.2.1", {"times": 2})]


def test_a_full_disk_refuses_what_could_not_be_written(trail: Trail) -> None:
    """Unless told otherwise: administrative acts before they are done, and requests where each has a line."""
    telemetry = Telemetry(process=False)
    audit = Audit(trail, telemetry, inference=True)
    audit.permit()
    with full(trail.database):
        with pytest.raises(FreeholdError, match="audit_refused"), audit.attempt(LARGE):
            pytest.fail("it was begun")
        audit.note(LARGE)
        audit.flush()
        with pytest.raises(FreeholdError, match="audit_refused") as refused:
            audit.permit()
        assert "database_full" in refused.value.cause
        assert trail.database.place not in refused.value.cause
        assert exposed(telemetry, "freehold_audit_failing") == 1
    audit.flush()
    audit.permit()
    assert outcomes(trail) == [("inference", "done")]
    assert exposed(telemetry, "freehold_audit_failing") == 0
    assert verify(trail).whole


def test_whoever_chose_to_go_on_is_told_later_what_is_missing(trail: Trail) -> None:
    """Lines wait in memory as long as there is room; how many had none stands in the chain."""
    telemetry = Telemetry(process=False)
    audit = Audit(trail, telemetry, when_full="go_on", inference=True)
    with full(trail.database):
        audit.write(LARGE)
        audit.flush()
        audit.permit()
        for _ in range(QUEUE + 4):
            audit.note(Act("inference", "k"))
    audit.flush()
    lines = written(trail)
    lost = [line for line in lines if line["what"] == "audit.lost"]
    assert sum(line["details"]["lines"] for line in lost) == 5
    assert len(lines) - len(lost) == QUEUE
    assert exposed(telemetry, "freehold_audit_lost_total") == 5


def test_an_act_that_is_done_is_done(trail: Trail) -> None:
    """Where only its second line cannot be written, that line waits."""
    audit = Audit(trail, Telemetry(process=False))
    with audit.attempt(LOAD) as turned_out:
        turned_out(LARGE)
        space = full(trail.database)
        space.__enter__()
    space.__exit__(None, None, None)
    audit.flush()
    assert outcomes(trail) == [("model.load", "asked"), ("inference", "done")]


def test_too_many_lines_that_wait_let_no_request_in(trail: Trail) -> None:
    """Where lines must not be lost, requests wait for them; those under way are still noted."""
    audit = Audit(trail, Telemetry(process=False), inference=True)
    for _ in range(QUEUE + 1):
        audit.note(Act("inference", "k"))
    with pytest.raises(FreeholdError, match="audit_refused"):
        audit.permit()
    audit.flush()
    audit.permit()
    assert trail.head().number == QUEUE + 1


def test_trouble_is_over_when_something_could_be_written(trail: Trail) -> None:
    """Not when there is nothing to write: an alarm would go out while the disk is full."""
    telemetry = Telemetry(process=False)
    audit = Audit(trail, telemetry, inference=True)
    with trail.database.reading() as transaction:
        transaction.execute("PRAGMA query_only = ON")
    with pytest.raises(FreeholdError, match="audit_refused"):
        audit.write(LOAD)
    audit.flush()
    assert exposed(telemetry, "freehold_audit_failing") == 1
    for _ in range(3):
        audit.refused(Refused("login", "192.0.2.1", "key_wrong"))
        audit.group_refused()
    with pytest.raises(FreeholdError, match="audit_refused"):
        audit.permit()
    with trail.database.reading() as transaction:
        transaction.execute("PRAGMA query_only = OFF")
    audit.flush()
    audit.permit()
    assert (exposed(telemetry, "freehold_audit_failing"), outcomes(trail)) == (0, [])
    audit.close()
    assert [line["details"] for line in written(trail)] == [{"times": 3}]


def test_what_no_request_waits_for_is_bounded(trail: Trail) -> None:
    """Lines of refused calls let others in: what is too many of them is counted."""
    audit = Audit(trail, Telemetry(process=False))
    for _ in range(QUEUE + 3):
        audit.note(Act("repository.denied", "k"))
    audit.flush()
    assert trail.head().number == QUEUE + 1
    assert [line["details"] for line in written(trail) if line["what"] == "audit.lost"] == [{"lines": 3}]


def heavy(size: int) -> Act:
    """A request of so many characters."""
    return Act("inference", "k", content={"request": {"text": "x" * size, "bytes": size}})


def test_text_that_waits_is_bounded_and_written_in_small_batches(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand lines of names are little memory, as many of requests are not."""
    monkeypatch.setattr(audit_module, "QUEUED_TEXT", 1000)
    monkeypatch.setattr(audit_module, "BATCH_TEXT", 250)
    strict = Audit(trail, Telemetry(process=False), inference=True)
    lax = Audit(trail, Telemetry(process=False), when_full="go_on", inference=True)
    sizes: list[int] = []
    append = trail.append
    monkeypatch.setattr(trail, "append", lambda acts: sizes.append(len(acts)) or append(acts))
    for audit in (strict, lax):
        for _ in range(10):
            audit.permit()
            audit.note(heavy(100))
    lax.note(heavy(1))
    with pytest.raises(FreeholdError, match="audit_refused"):
        strict.permit()
    strict.flush()
    strict.permit()
    assert sizes == [3, 3, 3, 1]
    lax.flush()
    assert [line["details"]["lines"] for line in written(trail) if line["what"] == "audit.lost"] == [1]
    lax.note(heavy(1))
    lax.flush()
    assert written(trail)[-1]["content"]["request"] == {"text": "x", "bytes": 1}
