"""The tutorials that lead from a model file to answers, as a reader runs them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docker import Engine

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "from-a-pt-file-to-int8.md"
RELEASE = PAGE.with_name("a-release-and-back.md")
PAGES = pytest.mark.parametrize("page", [PAGE, RELEASE], ids=lambda page: page.stem)


def blocks(page: Path, language: str) -> list[str]:
    """The page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """What the reader types, in order."""
    return [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]


@PAGES
def test_the_page_has_ten_commands(page: Path) -> None:
    """As its first sentence says."""
    assert len(commands(page)) == 10


@PAGES
def test_the_chinese_page_has_the_same_commands(page: Path) -> None:
    """And the same script."""
    chinese = page.with_name(f"{page.stem}.zh-CN.md")
    for language in ("sh", "python", "yaml"):
        assert blocks(chinese, language) == blocks(page, language)


def test_the_page_leads_from_a_pickle_to_an_answer(
    tmp_path: Path, shell: Callable[..., Any], launch: Callable[..., Any]
) -> None:
    """Refused without trust, converted with it, proven, quantized, signed, served: the INT8 model sees the label."""
    home = tmp_path / "home"
    (script,) = blocks(PAGE, "python")
    (tmp_path / "make_model.py").write_text(script, encoding="utf-8")
    *steps, serve, ask = commands(PAGE)
    said: list[str] = []
    for step in steps:
        done = shell(step, home=home)
        refused = step.startswith("freehold convert") and "--trust-code" not in step
        assert done.code == refused, f"{step}\n{done.out}{done.err}"
        said.append(done.out + done.err)
    assert "pickle_not_trusted" in said[1]
    assert "proof: raw" in said[2]
    assert (tmp_path / "proof.html").is_file()
    assert "accuracy" in said[4]
    label = int(re.findall(r"first label is (\d)", said[0])[0])
    node = launch(serve.removeprefix("freehold serve "), home=home)
    node.client.get("/readyz").raise_for_status()
    answer = shell(ask.replace("http://127.0.0.1:8080", node.url), home=home)
    (output,) = json.loads(answer.out)["outputs"]
    assert output["shape"] == [1, 10]
    assert output["data"].index(max(output["data"])) == label


@pytest.mark.soak
@pytest.mark.usefixtures("freehold_image")
def test_the_page_of_a_release_leads_there_and_back(
    tmp_path: Path, shell: Callable[..., Any], docker: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions in force one after the other, answers alike, and the first one again. Its soak: 45 s of waiting."""
    home = tmp_path / "home"
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    (script,), (configuration,) = blocks(RELEASE, "python"), blocks(RELEASE, "yaml")
    (tmp_path / "make_models.py").write_text(script, encoding="utf-8")
    said: list[str] = []
    with docker.port(8080), docker.network():
        try:
            for step in commands(RELEASE):
                version = 1 + any("v2.onnx" in earlier for earlier in commands(RELEASE)[: len(said)])
                text = configuration.replace("letters:1", f"letters:{version}")
                (tmp_path / "freehold.yaml").write_text(text, encoding="utf-8")
                done = shell(step.replace("~/.freehold", str(home)), home=home)
                assert done.code == 0, f"{step}\n{done.out}{done.err}"
                said.append(done.out)
        finally:
            shell("freehold down --yes", home=home)
    assert "+ letters: new" in said[3]
    assert len(json.loads(said[5])["outputs"][0]["data"]) == 10
    assert "Release 2 is in force" in said[7]
    assert "Release 3 is in force" in said[8]
