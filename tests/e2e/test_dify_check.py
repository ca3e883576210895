"""`freehold dify check` against our own server: a chat, an embedding and a rerank model behind a key."""

import json
from pathlib import Path
from typing import Any

NORMALIZER = Path(__file__).parents[2] / "examples" / "normalizer" / "model"


def test_our_own_server_passes_every_check(
    launch: Any, freehold: Any, minilm_folder: Path, tiny_reranker_folder: Path, tmp_path: Path
) -> None:
    """Models found by what they answer; nothing fails, and nothing warns but the loopback address of this test."""
    sources = {"normalizer": NORMALIZER, "minilm": minilm_folder, "judge": tiny_reranker_folder}
    config = {"models": [{"id": name, "source": str(path)} for name, path in sources.items()]}
    home = tmp_path / "home"
    node = launch(config, "--host", "0.0.0.0", "--no-tune", home=home)
    key = home / "initial-key"
    node.client.headers["Authorization"] = f"Bearer {key.read_text().strip()}"
    port = node.address[1]
    ran = freehold("dify", "check", f"http://127.0.0.1:{port}/v1", "--key-file", key, "--json")
    report = json.loads(ran.out)
    missed = [row for row in report["checks"] if row["status"] in ("fail", "warn")]
    assert [row["id"] for row in missed] == ["address_from_dify"], missed
    assert report["models"] == {"chat": "normalizer", "embedding": "minilm", "rerank": "judge"}
    skipped = {row["id"] for row in report["checks"] if row["status"] == "skip"}
    assert skipped <= {"tls_trusted", "chat_reasoning", "stream_flows"}
    assert ran.code == 0
