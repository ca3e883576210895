"""The command line, run as a user runs it, in a folder of the test's own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.main import main


@dataclass(frozen=True)
class Ran:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that standard error holds as JSON."""
        return json.loads(self.err)["error"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; no variable of the machine that runs the tests counts."""
    for name in ("MODEL_PATH", "MODEL_ID", "FREEHOLD_AUTH", "FREEHOLD_LANG", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def freehold(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `freehold WORDS...` and returns its exit code and output."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(words)
        captured = capsys.readouterr()
        return Ran(left.value.code if isinstance(left.value.code, int) else 0, captured.out, captured.err)

    return run
