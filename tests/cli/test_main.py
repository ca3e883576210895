"""The command tree."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from freehold import __version__
from freehold.cli.main import VERBS, Verb, load_verb

Freehold = Callable[..., Any]


def test_help_lists_every_verb(freehold: Freehold) -> None:
    """With its line, and the options that every command takes."""
    ran = freehold("--help")
    assert ran.code == 0
    for name, verb in VERBS.items():
        assert name in ran.out
        assert verb.help.split()[0] in ran.out
    assert "--json" in ran.out


def test_the_version_is_the_packages(freehold: Freehold) -> None:
    """`freehold --version` prints it and nothing else."""
    assert freehold("--version").out == f"{__version__}\n"


@pytest.mark.parametrize("words", [["nothing"], ["config", "nothing"], ["config", "check", "a", "b"], ["--nothing"]])
def test_a_wrong_command_line_exits_2(words: list[str], freehold: Freehold) -> None:
    """Usage on standard error, nothing on standard output."""
    ran = freehold(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage" in ran.err


@pytest.mark.parametrize("name", VERBS)
def test_a_verbs_line_of_help_is_true(name: str, freehold: Freehold) -> None:
    """Its place can be imported, and `freehold VERB --help` says more than the list does."""
    verb = VERBS[name]
    assert callable(load_verb(verb))
    assert verb.help.endswith(".")
    ran = freehold(name, "--help")
    assert ran.code == 0
    assert "--lang" in ran.out


def test_help_imports_no_verb() -> None:
    """`freehold --help` starts fast: no engine, no array library, no configuration reader."""
    program = (
        "import sys; from freehold.cli.main import build_app; build_app(['--help']); import typer.main\n"
        "print([m for m in ('numpy', 'onnxruntime', 'yaml', 'msgspec', 'rich', 'uvicorn') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_program_is_installed() -> None:
    """The entry point runs as a process of its own, and errors leave it as JSON."""
    command = [sys.executable, "-m", "freehold.cli.main", "explain", "nothing", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert '"error_code_unknown"' in ran.stderr


def test_a_verb_may_have_verbs_of_its_own() -> None:
    """A place names a function or a Typer."""
    assert isinstance(load_verb(VERBS["config"]), typer.Typer)
    assert load_verb(Verb("freehold.cli.main:load_verb", "")) is load_verb
