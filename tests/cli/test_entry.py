"""The beginning of the process."""

import os
import signal
import subprocess
import sys

import pytest

from freehold import __version__
from freehold.cli import entry

ASKED = """
import importlib.abc, os, signal, sys
class Asking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "freehold.cli.main":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Asking())
from freehold.cli.entry import main
sys.argv = ["freehold", "--version"]
main()
"""
FIRST = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--pid", "--fork"]
"""As the first process of a namespace of its own, like a container's."""


def test_it_is_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And any process but a container's first keeps the handlers it has."""
    monkeypatch.setattr(sys, "argv", ["freehold", "--version"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        entry.main()
    assert (left.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_containers_first_process_ends_while_it_imports() -> None:
    """The kernel would keep the signal from it."""
    ran = subprocess.run([*FIRST, sys.executable, "-c", ASKED], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (entry.ENDED, "")
