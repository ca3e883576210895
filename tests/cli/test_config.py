"""`freehold config`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from freehold.config import load
from freehold.config.schema import schema

Freehold = Callable[..., Any]

FINE = "model: {path: m.onnx, input_shape: [1, 4], max_tokens: 16}\n"
BAD = "model:\n  path: m.onnx\n  devise: cpu\nserver: {port: http}\n"


def test_init_check_and_serve_fit_together(freehold: Freehold, folder: Path) -> None:
    """What init writes for the model in the folder, check finds fine."""
    (folder / "custom-model.onnx").touch()
    ran = freehold("config", "init")
    assert (ran.code, ran.out) == (0, "freehold.yaml: custom-model\nServe it: freehold serve freehold.yaml\n")
    checked = freehold("config", "check")
    assert (checked.code, checked.out) == (0, "freehold.yaml: fine (models: custom-model)\n")


def test_init_writes_for_a_named_model_to_a_named_file(freehold: Freehold, folder: Path) -> None:
    """Any source may begin a configuration, also one that is not fetched yet."""
    ran = freehold("config", "init", "bge-m3:1", "--output", "mine.yaml", "--json")
    assert ran.data == {"path": "mine.yaml", "models": ["bge-m3"]}
    assert load("mine.yaml", {}, folder).models[0].source == "bge-m3:1"


def test_init_into_another_folder_names_the_model_in_full(freehold: Freehold, folder: Path) -> None:
    """A file's relative paths are relative to the file, not to where init ran."""
    (folder / "etc").mkdir()
    (folder / "m.onnx").touch()
    assert freehold("config", "init", "--output", "etc/freehold.yaml").code == 0
    assert freehold("config", "check", "etc/freehold.yaml").code == 0


def test_init_never_overwrites_unasked(freehold: Freehold, folder: Path) -> None:
    """An existing file stays as it is without --force."""
    (folder / "freehold.yaml").write_text("mine")
    ran = freehold("config", "init", "bge-m3:1")
    assert ran.code == 1
    assert "config_file_exists" in ran.err
    assert (folder / "freehold.yaml").read_text() == "mine"
    assert freehold("config", "init", "bge-m3:1", "--force").code == 0
    assert "bge-m3" in (folder / "freehold.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], "config_nothing_found"),
        (["missing.onnx"], "model_path_missing"),
        (["s3://b/m"], "source_scheme_unknown"),
        (["m:1", "--output", "no/such/folder.yaml"], "config_unwritable"),
    ],
)
def test_init_says_why_it_cannot(words: list[str], code: str, freehold: Freehold, folder: Path) -> None:
    """Nothing found, a wrong model, no place to write to: and no file is left behind."""
    ran = freehold("config", "init", *words, "--json")
    assert (ran.code, ran.error["code"]) == (1, code)
    assert list(folder.glob("**/*.yaml")) == []


def test_check_reports_every_problem_and_exits_1(freehold: Freehold, folder: Path) -> None:
    """Each with its line and its fix, on standard output, as it is what was asked for."""
    (folder / "freehold.yaml").write_text(BAD)
    ran = freehold("config", "check")
    assert ran.code == 1
    assert "problem: freehold.yaml:3: unknown key `model.devise`.\n  fix: Did you mean `device`?" in ran.out
    assert "problem: freehold.yaml:4: `server.port`" in ran.out
    assert "fine" not in ran.out


def test_check_speaks_chinese(freehold: Freehold, folder: Path) -> None:
    """--lang, else FREEHOLD_LANG."""
    (folder / "freehold.yaml").write_text(BAD)
    assert "是否想写 `device`" in freehold("config", "check", "--lang", "zh").out
    (folder / "freehold.yaml").write_text(FINE)
    (folder / "m.onnx").touch()
    assert "正确" in freehold("--lang=zh", "config", "check").out


def test_check_reports_for_programs(freehold: Freehold, folder: Path) -> None:
    """Origin, verdict, problems and notes as data."""
    (folder / "freehold.yaml").write_text(BAD)
    ran = freehold("config", "check", "--json")
    assert ran.code == 1
    assert (ran.data["origin"], ran.data["ok"], ran.data["notes"]) == ("freehold.yaml", False, [])
    assert [problem["code"] for problem in ran.data["problems"]] == ["config_key_misspelled", "config_value_invalid"]
    assert ran.data["problems"][0]["details"]["where"] == "freehold.yaml:3"


def test_check_notes_what_has_no_effect(freehold: Freehold, folder: Path) -> None:
    """The handbook's max_tokens means nothing to its tensor model: said, and still fine."""
    (folder / "freehold.yaml").write_text(FINE)
    (folder / "m.onnx").touch()
    ran = freehold("config", "check")
    assert ran.code == 0
    assert "note: freehold.yaml:1: `model.max_tokens` is ignored" in ran.out


def test_check_looks_for_the_models(freehold: Freehold, folder: Path) -> None:
    """A model that is not where the file says is a problem here."""
    (folder / "freehold.yaml").write_text(FINE)
    ran = freehold("config", "check")
    assert ran.code == 1
    assert f"There is no model at {folder}/m.onnx" in ran.out


@pytest.mark.parametrize(("words", "code"), [(["gone.yaml"], "config_not_found"), ([], "config_no_model")])
def test_nothing_to_check_is_wrong_usage(words: list[str], code: str, freehold: Freehold) -> None:
    """Exit 2, and the error as data with --json."""
    ran = freehold("config", "check", *words, "--json")
    assert (ran.code, ran.error["code"], ran.out) == (2, code, "")


def test_show_prints_what_loads_to_the_same(freehold: Freehold, folder: Path) -> None:
    """As YAML and as JSON, every default filled in."""
    (folder / "freehold.yaml").write_text(FINE)
    config = load(None, {}, folder)
    for name, words in (("shown.yaml", ()), ("shown.json", ("--json",))):
        ran = freehold("config", "show", *words)
        assert ran.code == 0
        (folder / name).write_text(ran.out)
        assert load(name, {}, folder) == config


def test_show_never_shows_a_secret(freehold: Freehold, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it is, in YAML and in JSON."""
    monkeypatch.setenv("CORP_KEY", "geheim")
    (folder / "freehold.yaml").write_text("models: [{id: u, source: 'https://h/v1', key: '${env:CORP_KEY}'}]\n")
    for words in ((), ("--json",)):
        out = freehold("config", "show", *words).out
        assert "geheim" not in out
        assert "${env:CORP_KEY}" in out


def test_show_of_a_broken_file_lists_its_problems(freehold: Freehold, folder: Path) -> None:
    """All of them, in one error, in the reader's language."""
    (folder / "freehold.yaml").write_text(BAD)
    ran = freehold("config", "show", "--lang", "zh")
    assert (ran.code, ran.out) == (1, "")
    assert "freehold.yaml 有 2 处问题" in ran.err
    data = freehold("config", "show", "--json").error
    assert (data["code"], data["details"]["count"]) == ("config_invalid", 2)


def test_schema_is_printed_as_json(freehold: Freehold) -> None:
    """With and without --json the same document."""
    assert freehold("config", "schema").data == freehold("config", "schema", "--json").data == schema()


def test_yaml_of_others_reads_what_show_prints(freehold: Freehold, folder: Path) -> None:
    """Plain YAML, without tags."""
    (folder / "freehold.yaml").write_text(FINE)
    assert yaml.safe_load(freehold("config", "show").out) == json.loads(freehold("config", "show", "--json").out)


def test_a_broken_link_is_no_traceback(freehold: Freehold, folder: Path) -> None:
    """A configuration that leads nowhere is said like one that is missing."""
    (folder / "link.yaml").symlink_to("nowhere")
    assert freehold("config", "check", "link.yaml", "--json").error["code"] == "config_not_found"
