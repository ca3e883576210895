"""Repositories of other servers, written as their users have them."""

from collections.abc import Callable
from pathlib import Path

import pytest

Lay = Callable[..., Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """`lay("model", config="...", files=("1/model.onnx",))` writes one model's folder and returns it."""

    def write(name: str, config: str | None = None, files: tuple[str, ...] = ("1/model.onnx",)) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        if config is not None:
            (folder / "config.pbtxt").write_text(config)
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(b"")
        return folder

    return write
