"""What the pages on the Open Inference Protocol tell people to run, runs on the server of the suite."""

import re
from pathlib import Path

import pytest

from tests.conformance.conftest import PREFIX
from tests.conformance.graphs import write_all

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def examples(name: str) -> list[str]:
    """The blocks of Python on a page."""
    return re.findall(r"^```python\n(.*?)^```", (HOW_TO / name).read_text(), flags=re.MULTILINE | re.DOTALL)


def run(page: str, url: str, grpc_address: str = "") -> None:
    """Its examples one after another, of this server and the objects that it may use."""
    names: dict[str, object] = {}
    here = {"127.0.0.1:8080": url.removeprefix("http://"), "127.0.0.1:8081": grpc_address, "cameras_": PREFIX}
    for example in examples(page):
        exec(re.sub("|".join(here), lambda shown: here[shown[0]], example), names)


def test_the_examples_of_the_protocol_run(
    url: str, grpc_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file that the page speaks of; what they print is what it says."""
    write_all(tmp_path)["row"].rename(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    run("open-inference-protocol.md", url, grpc_address)
    printed = capsys.readouterr().out
    assert printed.startswith("[[1. 2. 3.]\n [4. 5. 6.]]\n[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n")
    assert "b'3.000000:2'" in printed
    assert "net 1 READY" in printed


def test_the_example_of_shared_memory_runs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is left."""
    run("pass-tensors-in-shared-memory.md", url)
    assert capsys.readouterr().out == "[[1. 2. 3.]\n [4. 5. 6.]]\n"
    assert [path.name for path in Path("/dev/shm").glob(f"{PREFIX}*")] == []


@pytest.mark.parametrize("page", ["open-inference-protocol", "pass-tensors-in-shared-memory"])
def test_both_languages_have_the_same_examples(page: str) -> None:
    """A reader of either gets the same."""
    assert examples(f"{page}.md") == examples(f"{page}.zh-CN.md")
