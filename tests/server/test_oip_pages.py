"""What the pages on the Open Inference Protocol tell people to run, runs."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from freehold.errors import FreeholdError
from freehold.server.models import Models, Offer, Override
from freehold.server.shared_memory import SharedMemory
from tests.server.conftest import running, served, wait_ready

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
ADDRESS = "127.0.0.1:8080"


def examples(name: str) -> list[str]:
    """The blocks of Python on a page."""
    return re.findall(r"^```python\n(.*?)^```", (HOW_TO / name).read_text(), flags=re.MULTILINE | re.DOTALL)


class Files:
    """Loads what comes with the request, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def offer(self, model: str, override: Override) -> Offer:
        if not override.files:
            raise FreeholdError("model_not_found", model=model, served="none")
        return Offer([served(model, path, version) for version, path in self._written(override.files).items()])

    def forget(self, model: str) -> None:
        """There is nothing to forget."""

    def _written(self, files: Mapping[str, bytes]) -> dict[str, Path]:
        paths = {name.split("/")[0]: self._folder / name.replace("/", "-") for name in files}
        for path, content in zip(paths.values(), files.values(), strict=True):
            path.write_bytes(content)
        return paths


def test_the_examples_run_one_after_another(
    model_paths: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a server with the model that the page speaks of; what they print is what it says."""
    shutil.copy(model_paths["fp32"], tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    with running(Models([served("net", model_paths["fp32"])], repository=Files(tmp_path))) as url:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_ready(client)
        names: dict[str, object] = {}
        for example in examples("open-inference-protocol.md"):
            exec(example.replace(ADDRESS, url.removeprefix("http://")), names)
    printed = capsys.readouterr().out
    assert printed.startswith("[[1. 2. 3.]\n [4. 5. 6.]]\n[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n")
    assert "b'3.000000:2'" in printed
    assert "net 1 READY" in printed


def test_the_example_of_shared_memory_runs(model_paths: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """With a prefix that no other run of this test has; nothing of it is left."""
    prefix = f"cameras{os.getpid()}_"
    shared = SharedMemory([prefix])
    (example,) = examples("pass-tensors-in-shared-memory.md")
    with running([served("net", model_paths["fp32"])], shared=shared) as url:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_ready(client)
        exec(example.replace(ADDRESS, url.removeprefix("http://")).replace("cameras_", prefix), {})
    assert capsys.readouterr().out == "[[1. 2. 3.]\n [4. 5. 6.]]\n"
    assert shared.status() == []
    assert list(Path("/dev/shm").glob(f"{prefix}*")) == []


@pytest.mark.parametrize("page", ["open-inference-protocol", "pass-tensors-in-shared-memory"])
def test_both_languages_have_the_same_examples(page: str) -> None:
    """A reader of either gets the same."""
    assert examples(f"{page}.md") == examples(f"{page}.zh-CN.md")
