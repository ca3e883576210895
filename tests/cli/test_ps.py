"""`freehold ps`: the models of a running server."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.ps import Numbers, Server, read_numbers
from freehold.errors import FreeholdError
from tests.crowd import eventually

Freehold = Callable[..., Any]
Serve = Callable[..., Any]


class Stranger(BaseHTTPRequestHandler):
    """Some other program's answers."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a web server that is not ours."""
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_model_has_its_row(
    freehold: Freehold, serve: Serve, minilm_artifact: Path, mlp: Path, folder: Path
) -> None:
    """State, proof, precision, digest, and what was done; a model that failed says why."""
    (folder / "bad.onnx").write_bytes(b"no graph")
    (folder / "freehold.yaml").write_text(
        f"models:\n  - {{id: minilm, source: {minilm_artifact}}}\n  - {{id: mlp, source: {mlp}}}\n"
        "  - {id: bad, source: bad.onnx}\n"
    )
    running = serve()
    url = running.banner["url"]
    status, answer = running.ask("POST", "/v1/embeddings", {"model": "minilm", "input": "a text of some tokens"})
    assert status == 200
    ran = freehold("ps", "--url", url, "--json")
    assert ran.code == 0
    assert ran.data["ready"] is False
    minilm, tensor, bad = ran.data["models"]
    assert (minilm["state"], minilm["proof"], minilm["precision"], minilm["kind"]) == ("ready", "raw", "fp32", "embed")
    assert minilm["tokens"] == answer["usage"]["total_tokens"]
    assert minilm["queue_ms"] >= 0
    assert (minilm["in_flight"], minilm["refused"]) == (0, 0)
    assert (tensor["tokens"], tensor["queue_ms"]) == (0, None)
    assert (bad["state"], bad["error"]["code"]) == ("failed", "graph_invalid")
    lines = freehold("ps", "--url", url).out.splitlines()
    assert lines[0].split()[:4] == ["MODEL", "VERSION", "FROM", "KIND"]
    assert minilm["digest"].removeprefix("sha256:")[:12] in lines[1]
    assert any(line.startswith("bad: ") for line in lines)


def test_a_key_from_the_environment_opens_the_numbers(
    freehold: Freehold, serve: Serve, mlp: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that may read metrics; without it the states are shown with a note. The environment's proxy is not asked."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("FREEHOLD_KEY", raising=False)
    running = serve(mlp, "--host", "0.0.0.0")
    url = running.banner["url"].replace("0.0.0.0", "127.0.0.1")
    without = freehold("ps", "--url", url, "--json")
    assert without.code == 0
    assert without.data["note"]["code"] == "note_key_needed"
    assert (without.data["models"][0]["state"], without.data["models"][0]["in_flight"]) == ("ready", None)
    assert "FREEHOLD_KEY" in freehold("ps", "--url", url).out
    monkeypatch.setenv("FREEHOLD_HOME", str(folder / "home"))
    made = freehold("keys", "create", "--name", "ps", "--role", "viewer", "--json").data
    monkeypatch.setenv("FREEHOLD_KEY", made["key"])
    eventually(lambda: freehold("ps", "--url", url, "--json").data["note"] is None, "the server knows the new key")
    with_key = freehold("ps", "--url", url, "--json")
    assert with_key.data["models"][0]["in_flight"] == 0


def test_no_server_is_an_error_that_says_how_to_start_one(freehold: Freehold) -> None:
    """It names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nothing can answer there
        port = taken.getsockname()[1]
        ran = freehold("ps", "--url", f"http://127.0.0.1:{port}", "--json")
    assert (ran.code, ran.error["code"]) == (1, "server_absent")
    assert f"port {port}" in ran.error["cause"]
    assert f"freehold serve MODEL --port {port}" in ran.error["fix"]


def test_another_program_on_the_port_is_told_apart(freehold: Freehold, stranger: str) -> None:
    """It answers, but not as we do."""
    ran = freehold("ps", "--url", stranger, "--json")
    assert (ran.code, ran.error["code"]) == (1, "server_foreign")


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://host:port", "http://host:99999"])
def test_what_is_no_address_is_wrong_usage(freehold: Freehold, url: str) -> None:
    """Exit 2, with an example."""
    ran = freehold("ps", "--url", url, "--json")
    assert (ran.code, ran.error["code"]) == (2, "server_url_invalid")


def test_an_address_may_leave_out_its_scheme_and_port() -> None:
    """As people write them; a path before ours stays."""
    assert (Server.at("host:81", "").host, Server.at("host:81", "").port) == ("host", 81)
    assert Server.at("https://host/llm/", "") == Server("https://host/llm/", True, "host", 443, "/llm", "")
    assert Server.at("http://[::1]:8080", "").host == "::1"
    with pytest.raises(FreeholdError, match="server_url_invalid"):
        Server.at("http://[::1", "")


def test_numbers_are_read_from_a_scrape() -> None:
    """By model, over all reasons of refusal; a mean only where something was counted."""
    scrape = (
        'freehold_tokens_total{model="a"} 12.0\n'
        'freehold_refused_total{model="a",reason="queue"} 2.0\n'
        'freehold_refused_total{model="a",reason="memory"} 1.0\n'
        'freehold_queue_seconds_bucket{model="a",le="+Inf"} 4.0\n'
        'freehold_queue_seconds_count{model="a"} 4.0\n'
        'freehold_queue_seconds_sum{model="a"} 0.002\n'
        'freehold_model_requests_in_flight{model="b"} 3.0\n'
        "freehold_requests_in_flight 1.0\n"
    )
    assert read_numbers(scrape) == {
        "a": Numbers(in_flight=0, queue_ms=0.5, tokens=12, refused=3),
        "b": Numbers(in_flight=3, queue_ms=None, tokens=0, refused=0),
    }
