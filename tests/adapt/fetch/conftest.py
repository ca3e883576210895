"""A hub on this machine with one small model, and fetches from it that lose no time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from freehold.adapt.fetch.arrival import Arrival
from freehold.adapt.fetch.preparation import prepare
from freehold.adapt.fetch.repository import Errand, RemoteFile, Repository
from freehold.adapt.fetch.transport import Patience, Transport
from freehold.artifact.artifact import sha256_of
from freehold.config import Network, parse
from freehold.store.http_client import open_client
from tests.model_hub import ModelHub, serving

README = b"---\nlicense: apache-2.0\nbase_model: org/original\n---\n# A model\n"
WEIGHTS = np.random.default_rng(0).bytes(300_000)
FILES = {
    ".gitattributes": b"*.safetensors filter=lfs\n",
    "README.md": README,
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b'{"model": {}}' + b" " * 3000,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"P" * 5000,
    "onnx/model.onnx": b"O" * 5000,
    "modules.json": b'[{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"}]',
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
}
NEEDED = ["1_Pooling/config.json", "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    """A hub with the model `org/m`; the token of whoever runs the tests stays out of it."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with serving(ModelHub()) as hub:
        hub.add("org/m", FILES)
        yield hub


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    """A client that takes 0.3 s of silence for a cut."""
    with open_client(Network(), {}, silence_s=0.3, connect_s=5.0) as client:
        yield client


@pytest.fixture
def transport(client: httpx2.Client) -> Transport:
    """Three tries, and no pause between them."""
    return Transport(client, Patience(tries=3, first_pause_s=0.0))


@pytest.fixture
def fetch(hub: ModelHub, transport: Transport, tmp_path: Path) -> Callable[..., Arrival]:
    """`fetch(source="hf://org/m", folder=..., include=..., exclude=..., **variables)`: the arrival, prepared."""

    def prepared(source: str = "hf://org/m", folder: Path | None = None, **options: Any) -> Arrival:
        patterns = {name: options.pop(name) for name in ("include", "exclude") if name in options}
        environ = {"HF_ENDPOINT": hub.url, "MODELSCOPE_ENDPOINT": hub.url, **options}
        target = folder if folder is not None else tmp_path / "models" / "m"
        return prepare(parse(source), target, transport, environ, sha256_of, **patterns)

    return prepared


@pytest.fixture
def errand(tmp_path: Path) -> Errand:
    """The model `org/m`, wanted in `models/m`."""
    return Errand(parse("hf://org/m"), tmp_path / "models" / "m")


@pytest.fixture
def needed() -> list[str]:
    """Names of what is fetched of the model."""
    return NEEDED


@pytest.fixture
def contents() -> dict[str, bytes]:
    """Every file of the model."""
    return FILES


@pytest.fixture
def repository() -> Callable[..., Repository]:
    """`repository(*names, **sizes)`: one of which only the names matter."""

    def made(*names: str) -> Repository:
        files = tuple(RemoteFile(name, 10 + index, f"http://hub/{name}") for index, name in enumerate(names))
        return Repository(parse("hf://org/m"), "c" * 40, "http://hub/org/m", files)

    return made


def quiet(_: str) -> None:
    """Nobody watches."""


@pytest.fixture
def say() -> Callable[[str], None]:
    """Progress that nobody watches."""
    return quiet
