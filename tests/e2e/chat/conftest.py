"""A server of decoders of random weights, which all tests of chat share."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEMPLATE = Path(__file__).parent / "chat_template.jinja"


@pytest.fixture(scope="session")
def decoder_folders(tiny_decoder: Callable[..., Path]) -> dict[str, Path]:
    """Decoders of random weights by name: `talker` (calls tools) and `thinker` (its prompts open reasoning).

    `mute` has no chat template, and `broken` one that is not Jinja. All have room for 4,096 tokens of about a byte.
    """
    folder = tiny_decoder(max_position_embeddings=4096)
    template = TEMPLATE.read_text()
    templates = {
        "talker": template.replace("<think>", "").replace("</think>", ""),
        "thinker": "{% set reasons = true %}" + template,
        "broken": "{% for message in messages %}{{ message.content }}",
    }
    folders = {}
    for name in (*templates, "mute"):
        folders[name] = shutil.copytree(folder, folder.with_name(name))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        settings.pop("chat_template")
        (folders[name] / "tokenizer_config.json").write_text(json.dumps(settings))
        if name in templates:
            (folders[name] / "chat_template.jinja").write_text(templates[name])
    return folders


@pytest.fixture(scope="session")
def chat_node(shared_launch: Callable[..., Any], decoder_folders: dict[str, Path], minilm_folder: Path) -> Any:
    """The decoders, `capped` (the talker with 16 tokens at most and a stop of its own) and an embedding model."""
    generation = {"slots": 4, "kv_mb": 64}
    models = [{"id": name, "source": str(path), "generation": generation} for name, path in decoder_folders.items()]
    own = {"max_output_tokens": 16, "defaults": {"stop": ["z"]}, "generation": generation}
    models += [{"id": "capped", "source": str(decoder_folders["talker"]), **own}]
    models += [{"id": "minilm", "source": str(minilm_folder)}]
    return shared_launch({"models": models}, "--no-tune")
