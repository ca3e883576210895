"""What `freehold rollout` prints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.cli.rollout_text import lines_to_write, small
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.ledger import Ledger, Numbers, Progress
from freehold.gateway.rollouts.rollout import Reason, Rollout

RUNNING = Rollout(
    route="chat", new="b", steps=(5, 50, 100), hold_s=60.0, phase="running", step=0, old={"a": 100}, asked_at=7.0
)


@pytest.fixture
def ledger(folder: Path) -> Ledger:
    """The one that the command line uses."""
    return Ledger(folder / "home")


def keep(ledger: Ledger, rollout: Rollout) -> None:
    ledger.change(rollout.route, lambda _: rollout)


def test_status_shows_where_each_stands_and_why(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """A line a rollout, then what it waits for; the same as JSON."""
    keep(ledger, RUNNING)
    waits = Reason.of(FreeholdError("rollout_waits_requests", model="b", requests=12, least=100))
    ledger.note("chat", Progress(RUNNING.place, waits, Numbers(12, 1, 0, 20.25), Numbers(240, 0, 0, 18.5)))
    lines = freehold("rollout", "status").out.splitlines()
    assert lines[0].split("  ")[0] == "ROUTE"
    assert lines[1].split() == ["chat", "a", "b", "5", "1/3", "running", "12", "1", "20.2", "0", "18.5"]
    assert lines[2] == "chat: b has answered 12 of the 100 requests that it is judged by."
    (told,) = freehold("rollout", "status", "chat", "--json").data["rollouts"]
    assert (told["percent"], told["waits"]["code"], told["answers"]["new"]["errors"]) == (
        5,
        "rollout_waits_requests",
        1,
    )


def test_a_rollout_that_was_aborted_gives_back_the_old_shares(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """Of several old models each its own, with the reason of the end, in the reader's language."""
    error = FreeholdError("rollout_abort_asked")
    keep(ledger, msgspec.structs.replace(RUNNING, phase="aborted", old={"a": 60, "c": 40}, reason=Reason.of(error)))
    out = freehold("rollout", "status").out
    assert "  - {model: chat, to: [{id: a, weight: 60}, {id: c, weight: 40}]}" in out.splitlines()
    assert error.cause in out
    assert error.in_language("zh")[0] in freehold("rollout", "status", "--lang", "zh").out


def test_a_damaged_record_fails_the_status_and_hides_no_other(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """It is named, and the exit code tells."""
    keep(ledger, RUNNING)
    (ledger.folder / "other.json").write_text("{")
    ran = freehold("rollout", "status")
    assert ran.code == 1
    assert "other.json" in ran.out
    assert "chat" in ran.out


def test_nothing_to_show_says_how_to_begin(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """In lines; as JSON the list is empty."""
    assert "freehold rollout start" in freehold("rollout", "status").out
    assert freehold("rollout", "status", "--json").data["rollouts"] == []


def test_shares_are_written_in_small_numbers() -> None:
    """As a person would write them."""
    assert small({"a": 9500, "b": 500}) == {"a": 95, "b": 5}
    halfway = msgspec.structs.replace(RUNNING, phase="done", step=2)
    assert lines_to_write(halfway) == "  - {model: chat, to: [{id: b}]}"
