"""Whether the models are here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import Source, read
from freehold.config.presence import absent_models


def there(_: Source) -> None:
    """A store that lacks nothing."""


@pytest.mark.parametrize("deploys", [False, True])
def test_a_missing_model_is_a_problem_here_and_a_note_for_elsewhere(
    deploys: bool, write: Callable[..., Path], tmp_path: Path
) -> None:
    """A configuration with `deploy` speaks of other machines."""
    write("models: [{source: gone.onnx}, {source: 'm:1'}]\n" + ("deploy: {}\n" if deploys else ""))
    problems, notes = absent_models(read(None, {}, tmp_path), there)
    assert [error.code for error in problems] == ([] if deploys else ["model_path_missing"])
    assert [error.code for error in notes] == (["note_model_not_here"] if deploys else [])


def test_a_wrong_format_is_a_problem_wherever(write: Callable[..., Path], tmp_path: Path) -> None:
    """What lies here and cannot be served is wrong there too."""
    write("", "m.pt")
    write("models: [{source: m.pt}]\ndeploy: {target: compose}\n")
    problems, _ = absent_models(read(None, {}, tmp_path), there)
    assert [error.code for error in problems] == ["model_path_format"]


def test_models_that_are_here_and_broken_files_are_passed(write: Callable[..., Path], tmp_path: Path) -> None:
    """Nothing to say; the problems of the file are said elsewhere."""
    write("", "m.onnx")
    assert absent_models(read("m.onnx", {}, tmp_path), there) == ([], [])
    write("modle: 1\n")
    assert absent_models(read(None, {}, tmp_path), there) == ([], [])


def test_a_model_for_another_program_may_be_of_any_format(write: Callable[..., Path], tmp_path: Path) -> None:
    """That program knows its formats; only that the file is there can be seen from here."""
    write("", "m.gguf")
    write("models: [{source: m.gguf, command: [x, '{port}']}, {source: n.gguf, command: [x, '{port}']}]\n")
    problems, _ = absent_models(read(None, {}, tmp_path), there)
    assert [problem.code for problem in problems] == ["model_path_missing"]
    assert "n.gguf" in problems[0].cause
