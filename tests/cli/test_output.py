"""What commands print, and how."""

import json
from pathlib import Path

import pytest

from freehold.cli.output import Output, as_json, describe, take_options
from freehold.errors import FreeholdError

ERROR = FreeholdError("config_not_found", path=Path("a.yaml"))


@pytest.mark.parametrize(
    ("words", "rest", "output"),
    [
        ("config check", "config check", Output()),
        ("--json config check", "config check", Output(as_json=True)),
        ("config --lang zh check --json", "config check", Output(as_json=True, language="zh")),
        ("explain --lang=zh x", "explain x", Output(language="zh")),
        ("run m -- --json --lang zh", "run m -- --json --lang zh", Output()),
    ],
)
def test_the_options_of_every_command_may_stand_anywhere(words: str, rest: str, output: Output) -> None:
    """They are taken out, except behind `--`."""
    assert take_options(words.split(), {}) == (rest.split(), output)


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "FREEHOLD_LANG": "en"}, "en"),
        ({"LANG": "C.UTF-8", "FREEHOLD_LANG": "zh"}, "zh"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
    ],
)
def test_the_language_follows_the_environment(environ: dict[str, str], language: str) -> None:
    """FREEHOLD_LANG goes before LANG, and --lang before both."""
    assert take_options([], environ)[1].language == language
    assert take_options(["--lang", "en"], environ)[1].language == "en"


@pytest.mark.parametrize("words", [["--lang", "fr"], ["--lang"], ["--lang="]])
def test_an_unknown_language_is_refused(words: list[str]) -> None:
    """The ones there are are named."""
    with pytest.raises(FreeholdError, match="en, zh"):
        take_options(words, {})


def test_a_result_is_text_or_data(capsys: pytest.CaptureFixture[str]) -> None:
    """One of the two, on standard output."""
    Output().show({"a": "模型"}, "text")
    assert capsys.readouterr().out == "text\n"
    Output(as_json=True).show({"a": "模型"}, "text")
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": "模型"}
    assert "模型" in out


def test_an_error_is_words_or_data_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Cause, fix and code; as data its details too, in English for programs whatever the language."""
    assert Output(language="zh").fail(ERROR) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("错误: 配置文件 a.yaml 不存在。\n  解决办法: ")
    assert captured.err.endswith("(config_not_found)\n")
    Output(as_json=True).fail(ERROR)
    assert json.loads(capsys.readouterr().err) == {"error": describe(ERROR)}
    assert describe(ERROR)["details"] == {"path": "a.yaml"}


def test_what_failed_exits_1_and_what_was_mistyped_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts tell a wrong command from a failed one."""
    assert Output().fail(FreeholdError("config_file_exists", path="x")) == 1
    assert Output().fail(FreeholdError("config_no_model", folder="x")) == 2
    assert "config_no_model" in capsys.readouterr().err


def test_a_pod_leaves_word_of_why_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each error that is shown is written where Kubernetes looks, in the same words; no file is made for it."""
    log = tmp_path / "termination-log"
    assert Output(termination_log=log).fail(ERROR) == 2
    assert not log.exists()
    log.touch()
    Output(as_json=True, termination_log=log).fail(ERROR)
    Output(termination_log=log).fail(FreeholdError("nothing_loaded", models="a"))
    told = [Output().told(ERROR, "error"), Output().told(FreeholdError("nothing_loaded", models="a"), "error")]
    assert log.read_text().splitlines() == "\n".join(told).splitlines()
    assert "config_not_found" in capsys.readouterr().err


def test_any_detail_has_a_form_in_json() -> None:
    """Paths and sets are written as texts and lists."""
    assert json.loads(as_json({"p": Path("x"), "t": (1, Path("y")), "m": {1: None}})) == {
        "p": "x",
        "t": [1, "y"],
        "m": {"1": None},
    }
