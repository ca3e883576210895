"""A real HTTP server that answers Dify's plugin well, except for the defects that a test plants in it."""

import base64
import json
import math
import random
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from freehold.deploy.dify.checking.plugin_calls import Target

MODELS = {"chat": "talker", "embedding": "vectors", "rerank": "judge"}
KEY = "sk-planted-right-key"
DIGITS = "一二三四五六七八九十"
CONTEXT = 4096
LONGEST = 9_000  # words of a text, beyond which `long_refused` refuses


class RefusedError(Exception):
    """An answer with another status than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Server:
    """What listens: its address, the defects planted in it, and the bodies that came."""

    defects: frozenset[str]
    key: str = ""
    url: str = ""
    says: Any = None
    """What answers every call, with status 200, where it is not None."""
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)

    def has(self, defect: str) -> bool:
        """Whether a defect is planted."""
        return defect in self.defects


@contextmanager
def planted(*defects: str, key: str = "", wrap: Any = None, says: Any = None) -> Iterator[Server]:
    """A server on a free port; `wrap` makes a TLS socket of its own."""
    server = Server(frozenset(defects), key, says=says)

    class Answering(Answer):
        planted = server

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        listening.daemon_threads = True
        if wrap is not None:
            listening.socket = wrap(listening.socket)
        server.url = f"http{'s' if wrap else ''}://127.0.0.1:{listening.server_address[1]}/v1"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def target(url: str, *kinds: str, **more: Any) -> Target:
    """The models of these kinds at a planted server; 20 s a call."""
    return Target(url, ssl.create_default_context(), seconds=20, **{kind: MODELS[kind] for kind in kinds}, **more)


class Answer(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    planted: Server

    def log_message(self, *_: Any) -> None:
        """Nothing is written."""

    def do_GET(self) -> None:
        """The list of models."""
        if self._said():
            return
        if self.planted.has("redirects"):
            self.send_response(301)
            self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        try:
            self._path()
            if self.planted.has("no_list"):
                raise RefusedError(404, "not found")
            self._json({"object": "list", "data": [{"id": name, "max_model_len": CONTEXT} for name in MODELS.values()]})
        except RefusedError as error:
            self._json({"error": {"message": error.message}}, error.status)

    def do_POST(self) -> None:
        """Every call of the plugin."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._said():
                return
            self.planted.asked.append((self.path, dict(self.headers), body))
            if self.planted.has("silent"):
                time.sleep(0.4)
            path = self._path()
            kind = {"embeddings": "embedding", "rerank": "rerank"}.get(path, "chat")
            if body.get("model") != MODELS[kind] and not self.planted.has(f"any_{kind}_model"):
                word = "thinking" if self.planted.has("says_thinking") else "no"
                raise RefusedError(404, f"{word} model {body.get('model')}")
            {"embeddings": self._embeddings, "rerank": self._rerank, "completions": self._completion}.get(
                path, self._chat
            )(body)
        except RefusedError as error:
            self._json({"error": {"message": error.message}}, error.status)

    def _said(self) -> bool:
        """Whether this server says one thing, which it has said then; a text is sent as it is."""
        says = self.planted.says
        if says is not None:
            self._send(says.encode() if isinstance(says, str) else json.dumps(says).encode(), 200)
        return says is not None

    def _path(self) -> str:
        """The path behind the base; keys are looked at here."""
        given = self.headers.get("Authorization")
        if given == "" and self.planted.has("crashes_on_empty"):
            raise RefusedError(500, "list index out of range")
        if self.planted.key and given != f"Bearer {self.planted.key}" and not self.planted.has("any_key"):
            raise RefusedError(401, "wrong key")
        if self.planted.has("only_v1") and not self.path.startswith("/v1/"):
            raise RefusedError(404, "not found")
        return self.path.removeprefix("/v1").removeprefix("/")

    # -- chat

    def _completion(self, body: dict[str, Any]) -> None:
        name = "text.completion" if self.planted.has("other_text_object") else "text_completion"
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        choice = {"index": 0, "text": "pong", "finish_reason": "stop"}
        self._json({"object": name, "choices": [choice], "usage": usage})

    def _chat(self, body: dict[str, Any]) -> None:
        self._refuse(body)
        if body.get("tools") and body["messages"][-1]["role"] == "user":
            self._call()
            return
        text, reason, count = self._spoken(body)
        usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}
        if body.get("stream"):
            self._stream(text, reason, usage if body.get("stream_options") else None)
            return
        message = {"role": "assistant", "content": "".join(text)}
        answer: dict[str, Any] = {"object": "chat.completion", "model": body["model"], "usage": usage}
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
        if self.planted.has("no_usage"):
            del answer["usage"]
        if self.planted.has("other_object"):
            answer["object"] = "chat.completions"
        self._json(answer)

    def _refuse(self, body: dict[str, Any]) -> None:
        has = self.planted.has
        words = sum(len(str(message["content"]).split()) for message in body["messages"])
        form = body.get("response_format", {})
        roles = [message["role"] for message in body["messages"]]
        contents = [message["content"] for message in body["messages"]]
        for refused, why in (
            (words > CONTEXT and not has("silent_cut"), f"{words} tokens exceed the context of {CONTEXT}"),
            (has("strict_user") and "user" in body, "unknown field user"),
            (has("strict_thinking") and "enable_thinking" in body, "unknown field"),
            (has("no_parts") and any(isinstance(content, list) for content in contents), "content must be a text"),
            (has("no_tools") and "tools" in body, "tools need a parser"),
            (has("no_tool_role") and "tool" in roles and None not in contents, "unknown role"),
            (has("no_null") and None in contents, "content must be a text"),
            (has("no_json_object") and form.get("type") == "json_object", "unknown format"),
            (has("no_schema") and "schema" in form.get("json_schema", {}), "unknown format"),
            (has("only_wrapped") and "properties" in form.get("json_schema", {}), "json_schema.name is missing"),
        ):
            if refused:
                raise RefusedError(400, why)

    def _spoken(self, body: dict[str, Any]) -> tuple[list[str], str, int]:
        """The words of the answer, why it ended, and how many tokens it counts."""
        has = self.planted.has
        if "response_format" in body:
            return ['{"city": "Paris", ', '"people": 2000000}'], "stop", 2
        chinese = "中文" in str(body["messages"][-1]["content"])
        words = [f"{DIGITS[i % 10]}、" if chinese else f"{i}, " for i in range(1, 100)]
        if has("open_tag"):
            words = ["let me count</think>", *words]
        if has("never_silent") and "enable_thinking" in body:
            words = ["<think>", "hm", "</think>", *words]
        default = 16 if has("default_16") else 90
        asked = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        most = default if has(f"ignores_{asked}") else body.get(asked, default)
        reason = "stop" if has("never_length") or len(words) <= most else "length"
        text = "".join(words[:most])
        stop = next((stop for stop in body.get("stop", ()) if stop in text), None)
        if stop and not has("ignores_stop"):
            text, reason = text[: text.index(stop)] + (stop if has("returns_stop") else ""), "stop"
        count = min(most, len(words))
        return [text[i : i + 3] for i in range(0, len(text), 3)], reason, count

    def _call(self) -> None:
        has = self.planted.has
        head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
        first: dict[str, Any] = {"index": 0, "function": {"arguments": '{"city": '}}
        second: dict[str, Any] = {"index": 0, "function": {"arguments": '"Paris"}'}}
        if has("late_id"):
            head["id"] = None
        if has("object_arguments"):
            first["function"]["arguments"] = {"city": "Paris"}
            second["function"]["arguments"] = None
        if has("broken_arguments"):
            second["function"]["arguments"] = '"Paris"'
        deltas = [{"tool_calls": [fragment]} for fragment in (head, first, second)]
        self._events(
            [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas],
            "other" if has("odd_finish") else "tool_calls",
        )

    # -- streams

    def _stream(self, words: list[str], reason: str, usage: dict[str, int] | None) -> None:
        if self.planted.has("broken_characters"):
            words = [word.encode()[:-1].decode(errors="replace") for word in words]
        deltas = [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in words]
        self._events(deltas, reason, usage)

    def _events(self, frames: list[Any], reason: str, usage: dict[str, int] | None = None) -> None:
        has = self.planted.has
        if not has("no_finish"):
            frames = [*frames, {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]
        if usage is not None and not has("no_stream_usage"):
            frames = [*frames, {"choices": [], "usage": usage}]
        if has("no_choices"):
            frames = [{"object": "ping"}, *frames]
        end = "\r\n\r\n" if has("crlf") else "\n" if has("one_newline") else "\n\n"
        begin = "event: message\n" if has("event_lines") else ""
        data = [f"{begin}data: {json.dumps(frame, ensure_ascii=False)}{end}" for frame in frames]
        if has("comments"):
            data.insert(0, ": ping\n\n")
        if has("comment_in_frame"):
            data[0] = f": ping\n{data[0]}"
        data.append(f"data: [DONE]{end}")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        is_long = usage is not None and usage["completion_tokens"] == 64
        if has("held_back") and is_long:
            time.sleep(0.35)
            data = ["".join(data)]
        for piece in data:
            self._chunk(piece.encode())
        if has("lingers") and is_long:
            time.sleep(1.5)
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        try:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        except OSError:
            self.close_connection = True

    # -- embedding and rerank

    def _embeddings(self, body: dict[str, Any]) -> None:
        has = self.planted.has
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        for text in texts:
            if has("blank_refused") and not text.strip():
                raise RefusedError(400, "input is empty")
            if has("long_refused") and len(text.split()) > LONGEST:
                raise RefusedError(400, "input is too long")
        vectors: list[Any] = [self._vector(text) for text in texts]
        if has("unpooled"):
            vectors = [[vector] * 3 for vector in vectors]
        if has("reordered"):
            vectors.reverse()
        if has("one_vector"):
            vectors = vectors[:1]
        if has("base64") and body.get("encoding_format") != "float":
            vectors = [base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() for vector in vectors]
        rows = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]
        answer: dict[str, Any] = {"object": "list", "data": rows, "model": body["model"]}
        answer["usage"] = {"prompt_tokens": 7, "total_tokens": 7}
        if has("characters_counted"):
            answer["usage"]["prompt_tokens"] = len(texts[0])
        for name in ("usage", "model"):
            if has(f"no_embedding_{name}"):
                del answer[name]
        self._json(answer)

    def _vector(self, text: str) -> list[float]:
        has = self.planted.has
        chance = random.Random("same" if has("constant") else text)
        size = 16 + len(text) % 2 if has("other_dimension") else 16
        vector = [chance.gauss(0, 1) for _ in range(size)]
        if has("drifts"):
            vector = [number + random.gauss(0, 0.1) for number in vector]
        if not text.strip() and has("nan"):
            vector[3] = math.nan
        if not text.strip() and has("zeros"):
            vector = [0.0] * size
        return vector

    def _rerank(self, body: dict[str, Any]) -> None:
        has = self.planted.has
        documents, top = body["documents"], body.get("top_n", len(body["documents"]))
        for document in documents:
            if has("blank_refused") and not document.strip():
                raise RefusedError(422, "documents must have text")
            if has("long_refused") and len(document.split()) > LONGEST:
                raise RefusedError(422, "a document is too long")
        key = "score" if has("score_key") else "relevance_score"
        rows = []
        for place, document in enumerate(documents):
            score = random.Random(document).random()
            rows.append(
                {"index": place, key: 8 * score - 4 if has("logits") else score, "document": {"text": document}}
            )
        rows.sort(key=lambda row: row[key], reverse=not has("worst_first"))
        for place, row in enumerate(rows):
            if has("place_in_answer"):
                row["index"] = place
            if has("one_index"):
                row["index"] = 0
            if not body.get("return_documents") or has("no_documents"):
                del row["document"]
        self._json({"results": rows if has("all_results") else rows[:top]})

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status)

    def _send(self, data: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
