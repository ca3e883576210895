"""The tutorial from a .pt file to a served INT8 model, as a reader runs it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "from-a-pt-file-to-int8.md"


def blocks(language: str) -> list[str]:
    """The page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """What the reader types, in order."""
    return [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]


def test_the_page_has_ten_commands() -> None:
    """As its first sentence says."""
    assert len(commands()) == 10


def test_the_chinese_page_has_the_same_commands() -> None:
    """And the same script."""
    chinese = PAGE.with_name(f"{PAGE.stem}.zh-CN.md").read_text(encoding="utf-8")
    for block in (*blocks("sh"), *blocks("python")):
        assert block in chinese


def test_the_page_leads_from_a_pickle_to_an_answer(
    tmp_path: Path, shell: Callable[..., Any], launch: Callable[..., Any]
) -> None:
    """Refused without trust, converted with it, proven, quantized, signed, served: the INT8 model sees the label."""
    home = tmp_path / "home"
    (script,) = blocks("python")
    (tmp_path / "make_model.py").write_text(script, encoding="utf-8")
    *steps, serve, ask = commands()
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
