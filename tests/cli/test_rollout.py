"""`freehold rollout`, before any gateway has moved anything."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.cli.rollout import read_steps
from freehold.gateway.rollouts.ledger import Ledger
from freehold.gateway.rollouts.rollout import Rollout

RUNNING = Rollout(
    route="chat", new="b", steps=(5, 50, 100), hold_s=60.0, phase="running", step=0, old={"a": 100}, asked_at=7.0
)


@pytest.fixture
def ledger(folder: Path) -> Ledger:
    """The one that the command line uses."""
    return Ledger(folder / "home")


@pytest.fixture
def conducted(ledger: Ledger) -> Iterator[Ledger]:
    """The same while a gateway conducts: this process, which moves nothing."""
    assert ledger.conduct()
    yield ledger
    ledger.retire()


def keep(ledger: Ledger, rollout: Rollout) -> None:
    ledger.change(rollout.route, lambda _: rollout)


def test_nothing_begins_without_a_gateway(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """The error names the folder; nothing is written."""
    ran = freehold("rollout", "start", "chat", "--to", "b", "--json")
    assert (ran.code, ran.error["code"]) == (1, "rollout_no_gateway")
    assert ledger.routes() == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--steps", "5,50"), "rollout_steps_invalid"),
        (("--steps", "50,5,100"), "rollout_steps_invalid"),
        (("--steps", "0,100"), "rollout_steps_invalid"),
        (("--steps", "a few"), "rollout_steps_invalid"),
        (("--hold", "soon"), "rollout_option_invalid"),
        (("--hold", 400 * "9" + "d"), "rollout_option_invalid"),
        (("--max-errors", "200%"), "rollout_option_invalid"),
        (("--max-p99", "slow"), "rollout_option_invalid"),
        (("--max-p99", "0s"), "rollout_option_invalid"),
        (("--goldens", "absent.jsonl"), "goldens_unreadable"),
    ],
)
def test_what_is_written_wrongly_is_refused(
    freehold: Callable[..., Any], conducted: Ledger, words: tuple[str, ...], code: str
) -> None:
    """Before anything is asked of the gateway."""
    ran = freehold("rollout", "start", "chat", "--to", "b", *words, "--json")
    assert (ran.code, ran.error["code"]) == (1 if words[0] == "--goldens" else 2, code)
    assert conducted.routes() == []


def test_a_name_that_is_no_routes_names_no_file(freehold: Callable[..., Any], conducted: Ledger) -> None:
    """A path in its place stays outside."""
    for words in (("start", "../chat", "--to", "b"), ("status", "../chat"), ("abort", "a/b"), ("clear", "..")):
        assert freehold("rollout", *words, "--json").error["code"] == "rollout_route_invalid"


def test_goldens_are_read_before_they_are_kept(freehold: Callable[..., Any], conducted: Ledger, folder: Path) -> None:
    """A line that is no request is told with its number."""
    (folder / "g.jsonl").write_text('{"path": "/v1/embeddings", "body": {"input": "a"}}\n{"path": 1}\n')
    ran = freehold("rollout", "start", "chat", "--to", "b", "--goldens", "g.jsonl", "--json")
    assert ran.error["code"] == "goldens_invalid"
    assert "g.jsonl:2" in ran.error["cause"]


def test_a_second_rollout_waits_for_the_first(freehold: Callable[..., Any], conducted: Ledger) -> None:
    """One that is under way is ended first, and the error says how."""
    keep(conducted, RUNNING)
    ran = freehold("rollout", "start", "chat", "--to", "c", "--json")
    assert ran.error["code"] == "rollout_running"
    assert "freehold rollout abort chat" in ran.error["fix"]


def test_a_rollout_that_nobody_moves_says_so(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """The gateway is down: what is wished is written all the same, and done when it is back."""
    keep(ledger, RUNNING)
    assert "rollout_no_gateway" in freehold("rollout", "status").out
    ran = freehold("rollout", "abort", "chat")
    assert ran.code == 1
    assert "rollout_no_gateway" in ran.err
    found = ledger.read("chat")
    assert found is not None
    assert found.wish == "abort"


def test_what_ended_says_what_to_write_until_it_is_cleared(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """The lines for the file; `clear` gives the word back to it."""
    done = msgspec.structs.replace(RUNNING, phase="done", step=2)
    keep(ledger, done)
    out = freehold("rollout", "status").out
    assert "  - {model: chat, to: [{id: b}]}" in out.splitlines()
    assert freehold("rollout", "promote", "chat", "--json").error["code"] == "rollout_over"
    assert freehold("rollout", "clear", "chat").code == 0
    found = ledger.read("chat")
    assert found is not None
    assert found.settled
    assert freehold("rollout", "clear", "chat").code == 0
    assert freehold("rollout", "abort", "chat", "--json").error["code"] == "rollout_over"


def test_what_is_absent_or_under_way_cannot_be_cleared(freehold: Callable[..., Any], ledger: Ledger) -> None:
    """Nor promoted, nor shown."""
    for verb in ("clear", "promote", "abort", "status"):
        assert freehold("rollout", verb, "chat", "--json").error["code"] == "rollout_absent"
    keep(ledger, RUNNING)
    assert freehold("rollout", "clear", "chat", "--json").error["code"] == "rollout_not_over"
    assert "No rollout" not in freehold("rollout", "status").out


@pytest.mark.parametrize(("text", "steps"), [("100", (100,)), ("5, 50,100", (5, 50, 100)), ("1%,100%", (1, 100))])
def test_steps_are_read_as_people_write_them(text: str, steps: tuple[int, ...]) -> None:
    """With spaces and signs of percent."""
    assert read_steps(text) == steps
