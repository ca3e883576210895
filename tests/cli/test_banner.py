"""What `serve` says once its models are loaded."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]


@pytest.mark.parametrize("model", ["embed", "rerank", "tensor"])
def test_the_example_answers_as_it_stands(
    serve: Serve, mlp: Path, tiny_bert_folder: Path, tiny_reranker_folder: Path, model: str
) -> None:
    """The curl line of each kind: its path, its header and its body are a request that is answered."""
    running = serve({"embed": tiny_bert_folder, "rerank": tiny_reranker_folder, "tensor": mlp}[model])
    words = shlex.split(running.banner["example"])
    assert words[0] == "curl"
    assert words[1].startswith(running.banner["url"])
    assert "Content-Type: application/json" in words
    body = json.loads(words[words.index("-d") + 1])
    status, answer = running.ask("POST", words[1].removeprefix(running.banner["url"]), body)
    assert status == 200, answer
    assert running.leave() == 0


def test_each_model_has_its_row(serve: Serve, mlp: Path, minilm_artifact: Path, folder: Path) -> None:
    """Ready ones with kind, digest, precision and proof; the others with what is wrong with them."""
    (folder / "bad.onnx").write_bytes(b"no graph")
    (folder / "freehold.yaml").write_text(
        f"models:\n  - {{id: minilm, source: {minilm_artifact}}}\n  - {{id: bad, source: bad.onnx}}\n"
        f"  - {{id: mlp, source: {mlp}}}\n"
    )
    minilm, bad, tensor = serve().banner["models"]
    assert (minilm["id"], minilm["kind"], minilm["proof"], minilm["state"]) == ("minilm", "embed", "raw", "ready")
    assert minilm["digest"].startswith("sha256:")
    assert minilm["by"].startswith(" (transformers ")
    assert (bad["id"], bad["state"]) == ("bad", "failed")
    assert "bad.onnx" in bad["cause"]
    assert (tensor["kind"], tensor["proof"], tensor["by"]) == ("tensor", "none", "")
