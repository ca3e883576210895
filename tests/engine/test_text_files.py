"""What lies beside a decoder's graphs."""

import json
from pathlib import Path
from typing import Any

import pytest

from freehold.engine.generation import Sampling
from freehold.engine.text_files import TextFiles
from freehold.errors import FreeholdError


def folder(path: Path, **documents: Any) -> TextFiles:
    """A folder with these JSON files."""
    for name, document in documents.items():
        (path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return TextFiles(path)


def test_a_template_file_goes_before_the_one_in_the_settings(tmp_path: Path) -> None:
    """transformers writes the file today, and wrote the setting once."""
    files = folder(tmp_path, tokenizer_config={"chat_template": "old"})
    assert files.chat_template == "old"
    (tmp_path / "chat_template.jinja").write_text("new 你", encoding="utf-8")
    assert TextFiles(tmp_path).chat_template == "new 你"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ([{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}], "d"),
        ([{"name": "tool_use", "template": "t"}], None),
        (None, None),
        (7, None),
    ],
)
def test_of_several_templates_the_default_is_taken(tmp_path: Path, setting: object, expected: str | None) -> None:
    """Anything else is no template."""
    assert folder(tmp_path, tokenizer_config={"chat_template": setting}).chat_template == expected


def test_special_tokens_come_as_texts_or_with_their_attributes(tmp_path: Path) -> None:
    """What is not named is not there."""
    named = {"bos_token": None, "eos_token": {"content": "</s>", "lstrip": False}, "pad_token": "<pad>", "x": "y"}
    assert folder(tmp_path, tokenizer_config=named).special_tokens == {"eos_token": "</s>", "pad_token": "<pad>"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, Sampling(temperature=0)),
        ({"do_sample": False, "temperature": 0.7}, Sampling(temperature=0)),
        ({"do_sample": True}, Sampling()),
        (
            {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1},
            Sampling(0.6, 20, 0.9, 0.1, 1.1),
        ),
        ({"do_sample": True, "temperature": None, "top_k": None}, Sampling()),
    ],
)
def test_defaults_are_those_of_the_generation_config(
    tmp_path: Path, config: dict[str, Any], expected: Sampling
) -> None:
    """Greedy unless it asks for sampling, as transformers reads it."""
    assert folder(tmp_path, generation_config={"eos_token_id": 1} | config).defaults == expected


def test_without_files_there_are_openais_defaults_and_no_template(tmp_path: Path) -> None:
    """A folder may hold a graph and a tokenizer alone."""
    files = TextFiles(tmp_path)
    assert (files.defaults, files.chat_template, files.special_tokens) == (Sampling(), None, {})


def test_a_broken_file_is_said_by_its_name(tmp_path: Path) -> None:
    """Rather than taken for an empty one."""
    (tmp_path / "generation_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(FreeholdError, match=r"generation_config\.json"):
        _ = TextFiles(tmp_path).defaults
