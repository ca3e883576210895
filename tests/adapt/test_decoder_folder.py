"""What is read of a decoder's folder before its weights, and what is said when something is not there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.decoder_folder import open_decoder
from freehold.errors import FreeholdError

Make = Callable[..., Any]


@pytest.fixture
def folder(tiny_decoder: Make) -> Path:
    """A tiny decoder to change."""
    made: Path = tiny_decoder()
    return made


def rewrite(path: Path, **fields: object) -> None:
    document = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**document, **fields}))


def refused(folder: Path) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        open_decoder(folder)
    return caught.value


@pytest.mark.parametrize(
    ("config", "generation", "ends"),
    [
        (270, [268, 270], (268, 270)),
        ([7, 9], 8, (7, 8, 9)),
        (None, 8, (8,)),
        (270, None, (270,)),
        (None, None, ()),
    ],
)
def test_ends_are_those_of_both_files(config: object, generation: object, ends: tuple[int, ...], folder: Path) -> None:
    """One id, several, or none in either."""
    rewrite(folder / "config.json", eos_token_id=config)
    rewrite(folder / "generation_config.json", eos_token_id=generation)
    assert open_decoder(folder).ends == ends


def test_a_folder_without_a_generation_config(folder: Path) -> None:
    """Its config's end alone."""
    (folder / "generation_config.json").unlink()
    assert open_decoder(folder).ends == (270,)


def test_the_chat_template_in_each_of_its_places(folder: Path) -> None:
    """A file of its own wins, then the tokenizer config's text, of several the default; there may be none."""
    path = folder / "tokenizer_config.json"
    assert (open_decoder(folder).chat_template or "").startswith("{% if tools %}")
    rewrite(path, chat_template=[{"name": "tool_use", "template": "b"}, {"name": "default", "template": "a"}])
    assert open_decoder(folder).chat_template == "a"
    rewrite(path, chat_template=[{"name": "tool_use", "template": "b"}])
    assert open_decoder(folder).chat_template is None
    (folder / "chat_template.jinja").write_text("你好 {{ x }}", encoding="utf-8")
    assert open_decoder(folder).chat_template == "你好 {{ x }}"
    (folder / "chat_template.jinja").write_bytes(b"\xff")
    assert refused(folder).code == "model_folder_invalid"
    (folder / "chat_template.jinja").unlink()
    path.unlink()
    assert open_decoder(folder).chat_template is None


def test_lengths(folder: Path) -> None:
    """The positions, or less where the caller says so, never more."""
    source = open_decoder(folder)
    assert (source.limits(None).max_tokens, source.limits(None).positions) == (512, 512)
    assert (source.limits(100).max_tokens, source.limits(100).positions) == (100, 512)
    with pytest.raises(FreeholdError, match="512"):
        source.limits(513)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("config.json", "model_folder_invalid"),
        ("model.safetensors", "weights_missing"),
        ("tokenizer.json", "tokenizer_file_missing"),
    ],
)
def test_a_file_that_is_missing_is_named(file: str, code: str, folder: Path) -> None:
    """Each by its own error."""
    (folder / file).unlink()
    error = refused(folder)
    assert error.code == code
    assert file in error.cause + error.fix


def test_a_shard_that_is_missing_is_named(tiny_decoder: Make) -> None:
    """The index names it, the disk has it not."""
    folder = tiny_decoder(shard_size="60KB")
    shards = open_decoder(folder).weights
    assert len(shards) > 2
    shards[1].unlink()
    error = refused(folder)
    assert error.code == "weights_missing"
    assert shards[1].name in error.cause


def test_a_license_is_shown(folder: Path) -> None:
    """From the model card's front matter."""
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    assert open_decoder(folder).license == "apache-2.0"
