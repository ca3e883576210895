"""The file that `config init` writes."""

import re
from collections.abc import Callable
from pathlib import Path

from freehold.config import Config, load, parse, read
from freehold.config.template import models_in, template


def test_the_template_loads_as_the_models_it_names(write: Callable[..., Path], tmp_path: Path) -> None:
    """Names that YAML would take for something else are quoted."""
    write(template([("a", parse("./a.onnx")), ("123", parse("./on: off")), ("b", parse("bge-m3:1"))]))
    config = load(None, {}, tmp_path)
    assert [(m.id, m.source) for m in config.models] == [
        ("a", str(tmp_path / "a.onnx")),
        ("123", str(tmp_path / "on: off")),
        ("b", "bge-m3:1"),
    ]


def test_the_comments_are_valid_settings_with_their_defaults(write: Callable[..., Path], tmp_path: Path) -> None:
    """Taking every `# ` away changes nothing: a comment shows the default under its right name."""
    head, _, body = template([("a", parse("/a"))]).partition("models:")
    assert all(line.startswith("#") for line in head.strip().splitlines())
    write("models:" + re.sub(r"^(    )?# ", r"\1", body, flags=re.MULTILINE))
    reading = read(None, {}, tmp_path)
    assert reading.problems == ()
    assert reading.config is not None
    default = Config(models=reading.config.models)
    assert reading.config == default


def test_models_in_a_folder_are_found(write: Callable[..., Path], tmp_path: Path) -> None:
    """Files and folders that hold a model, each with an id of its own."""
    for name in ("a.onnx", "a/config.json", "a/model.safetensors", "b/model.onnx", "docs/config.json", "x.txt"):
        write("", name)
    assert [(name, str(source)) for name, source in models_in(tmp_path)] == [
        ("a", "./a"),
        ("a-2", "./a.onnx"),
        ("b", "./b"),
    ]


def test_a_model_folder_finds_itself(write: Callable[..., Path], tmp_path: Path) -> None:
    """Run inside of one, the folder is the model."""
    write("", "bge/config.json")
    write("", "bge/model.safetensors")
    assert [(name, str(source)) for name, source in models_in(tmp_path / "bge")] == [("bge", ".")]
