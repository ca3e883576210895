"""What this machine knows of models: by their files, by our running server, by the configuration first."""

import json
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from freehold.cli.dify_models import known_of, model_server
from freehold.config import Config, load
from freehold.deploy.dify.connecting.spaces import TEXTS
from freehold.errors import FreeholdError

CHAT = Path(__file__).parents[2] / "examples" / "normalizer" / "model"


def configured(folder: Path, *models: str) -> Config:
    text = "models:\n" + "".join(f"  - {{{model}}}\n" for model in models)
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    return load(None, {}, folder)


def environ(folder: Path) -> dict[str, str]:
    return {"FREEHOLD_HOME": str(folder / "home")}


class _Server(BaseHTTPRequestHandler):
    """Answers by path; what is wrong is wrong on purpose."""

    wbufsize = -1
    answers: dict[str, tuple[int, Any]]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status, document = self.answers[self.path]
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name that the library calls


@pytest.fixture
def server() -> Iterator[Callable[..., str]]:
    """`server(models=..., embeddings=...)` answers so below /v1; its URL."""
    running: list[tuple[ThreadingHTTPServer, Thread]] = []

    def start(**answers: tuple[int, Any]) -> str:
        handler = type("Server", (_Server,), {"answers": {f"/v1/{name}": answer for name, answer in answers.items()}})
        httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        running.append((httpd, thread))
        return f"http://127.0.0.1:{httpd.server_address[1]}/v1"

    yield start
    for httpd, thread in running:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def test_files_tell_kinds_lengths_prefixes_and_digests(
    tmp_path: Path, tiny_bert_folder: Path, tiny_reranker_folder: Path
) -> None:
    """A folder is known by the digest of its weights, an artifact by its own."""
    config = configured(
        tmp_path,
        f"id: chat, source: {CHAT}",
        f"id: embeds, source: {tiny_bert_folder}",
        f"id: ranks, source: {tiny_reranker_folder}, context_length: 99",
    )
    (chat, embeds, ranks), silence = known_of(config, environ(tmp_path), None)
    assert silence is None
    assert (chat.kind, chat.abilities[0], chat.digest[:7]) == ("generate", "chat", "sha256:")
    assert (embeds.kind, embeds.abilities, embeds.context_length) == ("embed", ("embed",), 64)
    assert (embeds.prompts, embeds.digest[:7], embeds.answers) == ({"query": "query: "}, "sha256:", {})
    assert (ranks.kind, ranks.context_length) == ("rerank", 99)


def test_goldens_are_answers(tmp_path: Path, minilm_folder: Path, minilm_artifact: Path) -> None:
    """Of a folder whose weights are known, and of an artifact that carries them."""
    config = configured(tmp_path, f"id: folder, source: {minilm_folder}", f"id: made, source: {minilm_artifact}")
    (folder, made), _ = known_of(config, environ(tmp_path), None)
    assert len(folder.answers) > 3
    assert folder.answers == made.answers
    assert folder.digest != made.digest


def test_an_older_version_that_is_still_served_tells_no_space(
    tmp_path: Path, minilm_artifact: Path, server: Callable[..., str]
) -> None:
    """Its vectors and the goldens of the new one are two models': connecting waits for the deployment."""
    config = configured(tmp_path, f"id: made, source: {minilm_artifact}")
    row = {"id": "made", "abilities": ["embed"], "freehold": {"kind": "embed", "digest": "sha256:" + "0" * 64}}
    with (
        model_server(server(models=(200, {"data": [row]})), None, config, {}) as ours,
        pytest.raises(FreeholdError, match=r"\[dify_server_other\]"),
    ):
        known_of(config, environ(tmp_path), ours)


def test_a_template_tells_tools_and_thinking(tmp_path: Path) -> None:
    """Whether a request can switch its thinking, always thinks, or has no template at all."""
    templates = {
        "plain": "{{ messages }}",
        "tools": "{% if tools %}<tool_call>{{ tools }}</tool_call>{% endif %}{{ messages }}",
        "switch": "{% if enable_thinking %}<think>{% endif %}</think>{{ messages }}",
        "always": "{{ messages }}<think></think>",
    }
    for name, template in templates.items():
        shutil.copytree(CHAT, tmp_path / name)
        (tmp_path / name / "chat_template.jinja").write_text(template, encoding="utf-8")
        _repin(tmp_path / name)
    config = configured(tmp_path, *(f"id: {name}, source: {tmp_path / name}" for name in templates))
    known = {one.name: one for one in known_of(config, environ(tmp_path), None)[0]}
    assert {name: one.thinking for name, one in known.items()} == {
        "plain": "no",
        "tools": "no",
        "switch": "switch",
        "always": "always",
    }
    assert {name for name, one in known.items() if "tools" in one.abilities} == {"tools"}


def _repin(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["chat_template.jinja"]["size"] = (folder / "chat_template.jinja").stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_server_tells_what_files_here_do_not(tmp_path: Path, server: Callable[..., str]) -> None:
    """Of a model elsewhere what it can; of one that embeds, how; behind the prefix that Dify will put there."""
    rows = [{"id": "far", "abilities": ["chat", "vision"]}, {"id": "near", "abilities": ["embed"]}]
    vectors = {"data": [{"embedding": [float(place), 1.0]} for place in range(len(TEXTS))]}
    url = server(models=(200, {"data": rows}), embeddings=(200, vectors))
    config = configured(tmp_path, "id: far, source: 'https://h/v1'", "id: near, source: /not/here")
    with model_server(url, "key", config, environ(tmp_path)) as ours:
        (far, near), silence = known_of(config, environ(tmp_path), ours)
        assert "key" not in repr(ours).replace("monkey", "")
    assert silence is None
    assert far.abilities == ("chat", "vision")
    assert near.answers == {text: (float(place), 1.0) for place, text in enumerate(TEXTS)}


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ((401, {"error": "no key"}), "status 401"),
        ((200, b"<html>"), "malformed"),
        ((200, {"data": 1}), "array"),
    ],
)
def test_a_server_that_does_not_tell_is_said(
    tmp_path: Path, server: Callable[..., str], models: tuple[int, Any], words: str
) -> None:
    """And what files and the configuration know stands."""
    config = configured(tmp_path, "id: far, source: 'https://h/v1', abilities: [chat]")
    with model_server(server(models=models), None, config, environ(tmp_path)) as ours:
        (far,), silence = known_of(config, environ(tmp_path), ours)
    assert far.abilities == ("chat",)
    assert silence is not None
    assert words in silence.cause


def test_a_model_that_does_not_embed_now_is_said(tmp_path: Path, server: Callable[..., str]) -> None:
    """Its space is then known by what it is made of."""
    url = server(models=(200, {"data": []}), embeddings=(503, {}))
    config = configured(tmp_path, "id: far, source: 'https://h/v1', abilities: [embed]")
    with model_server(url, None, config, environ(tmp_path)) as ours:
        (far,), silence = known_of(config, environ(tmp_path), ours)
    assert (far.answers, far.seed) == ({}, "https://h/v1 far")
    assert silence is not None


def test_a_model_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    """Its path is."""
    config = configured(tmp_path, "id: gone, source: /not/here")
    with pytest.raises(FreeholdError) as raised:
        known_of(config, environ(tmp_path), None)
    assert raised.value.code == "model_path_missing"
