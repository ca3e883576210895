"""A model's server for tests of the console itself: it chats, embeds and ranks, in the smallest right way."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-right-key-0001"


@dataclass
class ModelServer:
    """Its base URL with /v1; what it was asked, by path; a status that it answers with instead, where one is set."""

    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    status: int = 200
    answer: str = "It is blue."


class _Answers(BaseHTTPRequestHandler):
    wbufsize = -1  # an answer leaves in one piece
    server_state: ModelServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state = self.server_state
        state.asked.append((self.path, body))
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._write(401, {"error": {"message": f"wrong key {self.headers.get('Authorization')}"}})
        elif state.status != 200:
            self._write(state.status, {"error": {"message": "not today"}})
        elif self.path == "/v1/chat/completions":
            self._chat(state.answer, bool(body.get("stream")))
        elif self.path == "/v1/embeddings":
            data = [{"index": place, "embedding": _vector(text)} for place, text in enumerate(body["input"])]
            self._write(200, {"object": "list", "model": body["model"], "data": data})
        else:
            scores = [(_alike(body["query"], text), place) for place, text in enumerate(body["documents"])]
            results = [{"index": place, "relevance_score": score} for score, place in sorted(scores, reverse=True)]
            self._write(200, {"results": results[: body["top_n"]]})

    def _chat(self, answer: str, stream: bool) -> None:
        if not stream:
            message = {"role": "assistant", "content": answer}
            self._write(200, {"object": "chat.completion", "choices": [{"index": 0, "message": message}]})
            return
        chunks = [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in re.findall(r"\S+\s*", answer)]
        frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        self._send(200, "".join([*frames, "data: [DONE]\n\n"]).encode(), "text/event-stream")

    def _write(self, status: int, document: object) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serve it on a free port of loopback."""
    state = ModelServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"server_state": state}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _vector(text: str) -> list[float]:
    """How often each letter is in a text: texts of the same words are near one another."""
    return [1.0 + text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]


def _alike(query: str, text: str) -> float:
    words = set(query.lower().split())
    return len(words & set(text.lower().split())) / len(words)
