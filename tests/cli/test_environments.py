"""`freehold environments`, as a person types it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.environments import FRAMEWORKS
from freehold.cli.main import main


def typed(*words: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_lock_prints_what_pip_takes(capsys: Any) -> None:
    """Byte by byte, so that it can be sent to a file."""
    assert typed("environments", "lock", "tensorflow") == 0
    assert capsys.readouterr().out == FRAMEWORKS["tensorflow"].lock.decode()


def test_show_says_which_python(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that a conversion would take."""
    monkeypatch.setenv("FREEHOLD_TENSORFLOW_PYTHON", sys.executable)
    assert typed("environments", "show", "tensorflow", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"name": "tensorflow", "python": sys.executable}


def test_show_says_how_to_make_one(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit code 1, and the line to type."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    monkeypatch.delenv("FREEHOLD_TENSORFLOW_PYTHON", raising=False)
    assert typed("environments", "show", "tensorflow") == 1
    assert "freehold environments create tensorflow" in capsys.readouterr().err


def test_an_unknown_name_is_wrong_usage(capsys: Any) -> None:
    """Exit code 2, with the names that there are."""
    assert typed("environments", "create", "jax") == 2
    assert "tensorflow" in capsys.readouterr().err


def test_create_tells_why_it_failed(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Python that is not there: the error names it, and nothing is used later."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    assert typed("environments", "create", "tensorflow", "--python", str(tmp_path / "python9")) == 1
    assert "python9" in capsys.readouterr().err
