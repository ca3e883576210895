"""What was done to a deployment, line by line."""

from pathlib import Path

from freehold.deploy.releases.log import Line, Log
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.rollout import Reason

FAILED = Line(2.0, "ops@box", 3, "failed", reason=Reason.of(FreeholdError("deploy_interrupted", number=3)))


def test_lines_come_back_in_their_order(tmp_path: Path) -> None:
    """With why they ended as they did."""
    log = Log(tmp_path / "log.jsonl")
    assert log.lines() == []
    begun = Line(1.0, "ops@box", 3, "begun")
    log.note(begun)
    log.note(FAILED)
    assert log.lines() == [begun, FAILED]


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    """A crash while it was written takes nothing else with it, nor does a line of a later version that is unknown."""
    log = Log(tmp_path / "log.jsonl")
    log.note(FAILED)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"at": 3.0, "by": "op\n\xff\xfe\n')
    log.note(FAILED)
    assert log.lines() == [FAILED, FAILED]


def test_a_line_behind_one_that_was_cut_short_is_kept(tmp_path: Path) -> None:
    """The disk was full in the middle of a line, and has room again."""
    log = Log(tmp_path / "log.jsonl")
    log.note(FAILED)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"at": 3.0, "by": "op')
    log.note(FAILED)
    log.note(FAILED)
    assert log.lines() == [FAILED] * 3
