"""`freehold gateway`: what it takes, and a process of it from a configuration to answers and back."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

Freehold = Callable[..., Any]


class Server(BaseHTTPRequestHandler):
    """A server of the OpenAI API with one model, that answers what it was asked."""

    def do_GET(self) -> None:
        """Its models."""
        self._answer(b'{"data": [{"id": "theirs"}]}')

    def do_POST(self) -> None:
        """An echo."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def upstream() -> Iterator[str]:
    """The URL of such a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_models_that_it_would_have_to_run_are_refused(freehold: Freehold, folder: Path) -> None:
    """With the verb that runs them, before anything starts."""
    models = [{"id": "a", "source": "/a"}, {"id": "b", "source": "x:1", "command": ["x", "{port}"]}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": models}))
    ran = freehold("gateway", "--json")
    assert (ran.code, ran.error["code"]) == (1, "gateway_model_here")
    assert "a, b" in ran.error["cause"]
    assert "freehold serve" in ran.error["fix"]


def test_without_models_there_is_nothing_to_do(freehold: Freehold, folder: Path) -> None:
    """Said with the folder that was looked at."""
    (folder / "freehold.yaml").write_text("routes: []\n")
    assert freehold("gateway", "--json").error["code"] == "config_no_model"


@pytest.mark.parametrize("verb", ["gateway", "serve"])
def test_its_own_address_is_that_of_the_port_that_is_asked_for(freehold: Freehold, folder: Path, verb: str) -> None:
    """Whatever the configuration says, or does not say."""
    models = [{"id": "a", "source": "http://127.0.0.1:9000/v1"}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": models, "server": {"port": 8080}}))
    ran = freehold(verb, "--port", "9000", "--json")
    assert (ran.code, ran.error["code"]) == (1, "config_upstream_itself")


def test_a_port_that_is_taken_is_told(freehold: Freehold, folder: Path, upstream: str) -> None:
    """As of any other server."""
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"id": "a", "source": upstream}]}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = freehold("gateway", "--port", str(taken.getsockname()[1]), "--json")
    assert (ran.code, ran.error["code"]) == (1, "port_in_use")


def test_a_gateway_answers_and_leaves(serve: Callable[..., Any], folder: Path, upstream: str) -> None:
    """It names its routes beside the models, passes requests on, and SIGTERM ends it with exit code 0."""
    routes = [{"model": "chat", "to": [{"id": "a"}]}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"id": "a", "source": upstream}], "routes": routes}))
    running = serve(verb="gateway")
    rows = {row["id"]: row for row in running.banner["models"]}
    assert rows["chat"]["to"] == ["a"]
    assert rows["a"]["by_another"]
    assert running.ask("POST", "/v1/rerank?model_id=chat", {"query": "q"}) == (200, {"query": "q"})
    status, listed = running.ask("GET", "/v1/models")
    assert (status, {row["id"] for row in listed["data"]}) == (200, {"a", "chat"})
    assert running.leave() == 0
