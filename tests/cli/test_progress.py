"""What long work says while it runs."""

import io
import sys

import pytest

from freehold.cli.progress import working


class Terminal(io.StringIO):
    """A standard error that a person watches."""

    def isatty(self) -> bool:
        return True


def test_nothing_is_said_where_nobody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    """Logs and pipes stay clean."""
    with working("loading") as say:
        say("replaying")
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_what_is_done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error alone, in the words given: brackets are no markup."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with working("loading [bold]model"):
        pass
    assert "[bold]model" in terminal.getvalue()
    assert capsys.readouterr().out == ""
