"""What a person does at this terminal stands in the audit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.audited import audited, note_in_audit
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.errors import FreeholdError

Freehold = Callable[..., Any]


def outcomes(freehold: Freehold) -> list[tuple[str, str]]:
    return [(line["what"], line["outcome"]) for line in freehold("audit", "--json").data["lines"]]


@pytest.mark.usefixtures("folder")
def test_an_act_has_a_line_before_and_after(freehold: Freehold) -> None:
    """Of whom, and with what the act is about."""
    with audited("rollout.start", "new", route="chat"):
        assert outcomes(freehold) == [("rollout.start", "asked")]
    line = freehold("audit", "--json").data["lines"][-1]
    assert line["who"].endswith("@terminal")
    assert (line["model"], line["outcome"], line["details"]) == ("new", "done", {"route": "chat"})


@pytest.mark.usefixtures("folder")
def test_an_act_that_fails_has_the_code(freehold: Freehold) -> None:
    """And the failure goes on to the person."""
    with pytest.raises(FreeholdError, match="rollout_absent"), audited("rollout.abort", ""):
        raise FreeholdError("rollout_absent", route="chat")
    assert outcomes(freehold) == [("rollout.abort", "asked"), ("rollout.abort", "rollout_absent")]


def test_a_broken_file_keeps_nobody_from_acting(freehold: Freehold, folder: Path) -> None:
    """The line stands under FREEHOLD_HOME."""
    (folder / "freehold.yaml").write_text("access: [")
    with audited("rollout.abort", ""):
        pass
    (folder / "freehold.yaml").unlink()
    assert outcomes(freehold) == [("rollout.abort", "asked"), ("rollout.abort", "done")]


@pytest.mark.usefixtures("folder")
def test_some_acts_are_one_line(freehold: Freehold) -> None:
    """Those that are done as soon as somebody answers for them."""
    note_in_audit("proof.accept", "m", Access(), reason="the auditor agreed")
    assert outcomes(freehold) == [("proof.accept", "done")]


def test_without_a_place_for_it_nothing_is_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless going on was chosen: then the log has it alone."""
    (folder / "file").touch()
    monkeypatch.setenv("FREEHOLD_HOME", str(folder / "file" / "home"))
    with pytest.raises(FreeholdError, match="audit_refused"), audited("rollout.abort", ""):
        pytest.fail("it was begun")
    note_in_audit("proof.accept", "m", Access(audit=Auditing(when_full="go_on")))


@pytest.mark.usefixtures("folder")
def test_a_database_out_of_reach_keeps_nobody_from_deploying_it(
    freehold: Freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line stands under FREEHOLD_HOME."""
    monkeypatch.setenv("AUDIT_URL", "postgresql://127.0.0.1:1/freehold")
    with audited("deploy.release", "", Access(database="${env:AUDIT_URL}"), release=1):
        assert outcomes(freehold) == [("deploy.release", "asked")]
    assert outcomes(freehold) == [("deploy.release", "asked"), ("deploy.release", "done")]
