"""A program in vLLM's place: its command line, its routes, its key, and no model. Standard library only.

    python vllm_stand_in.py serve /models/x --host 0.0.0.0 --port 8080 --served-model-name x ...

It starts as vLLM does, so slowly as STAND_IN_LOADS_S says, and insists on VLLM_API_KEY below /v1. An answer says the
model and the words that it was asked, so that a test sees what arrived. /seen tells the command line and what of the
environment vLLM would mind.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENVIRONMENT = ("DO_NOT_TRACK", "HF_HUB_OFFLINE", "HOME", "TRANSFORMERS_OFFLINE", "USER", "VLLM_NO_USAGE_STATS")


def arguments(words: list[str]) -> argparse.Namespace:
    """What vLLM takes of them, those that it would not know included in `others`."""
    parser = argparse.ArgumentParser(prog="vllm")
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name")
    known, others = parser.parse_known_args(words)
    known.others = others
    return known


class Answering(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    said: argparse.Namespace
    key = ""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(200, b"")
        elif self.path == "/seen":
            told = {name: os.environ.get(name, "") for name in ENVIRONMENT}
            self._json(200, {"words": sys.argv[1:], "environment": told})
        elif not self._may():
            self._json(401, {"error": "Unauthorized"})
        elif self.path == "/v1/models":
            row = {"id": self.said.served_model_name, "object": "model", "owned_by": "vllm", "root": self.said.model}
            self._json(200, {"object": "list", "data": [row]})
        else:
            self._json(404, {"error": {"message": "Not Found", "type": "NotFoundError", "code": 404}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))) or b"{}")
        if not self._may():
            self._json(401, {"error": "Unauthorized"})
        elif self.path != "/v1/chat/completions" or body.get("model") != self.said.served_model_name:
            message = f"The model `{body.get('model')}` does not exist."
            self._json(404, {"error": {"message": message, "type": "NotFoundError", "code": 404}})
        elif body.get("stream"):
            self._stream(self._words(body))
        else:
            message = {"role": "assistant", "content": "".join(self._words(body))}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._json(200, {**self._head("chat.completion"), "choices": [choice]})

    def _may(self) -> bool:
        return not self.key or self.headers.get("authorization") == f"Bearer {self.key}"

    def _words(self, body: dict[str, Any]) -> list[str]:
        asked = str(body["messages"][-1]["content"]).split()
        return [f"{self.said.served_model_name} was asked:", *(f" {word}" for word in asked)]

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": self.said.served_model_name}

    def _stream(self, words: list[str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": word} for word in words)]
        for delta in [*deltas, {}]:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
            self._chunk({**self._head("chat.completion.chunk"), "choices": [choice]})
        self._chunk(None)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, event: dict[str, Any] | None) -> None:
        data = b"data: " + (b"[DONE]" if event is None else json.dumps(event).encode()) + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _json(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is said of single requests."""


def main() -> None:
    """Serve until a signal; the first line says where."""
    said = arguments(sys.argv[1:])
    Answering.said, Answering.key = said, os.environ.get("VLLM_API_KEY", "")
    time.sleep(float(os.environ.get("STAND_IN_LOADS_S", "0")))
    server = ThreadingHTTPServer((said.host, said.port), Answering)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"listening on {server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
