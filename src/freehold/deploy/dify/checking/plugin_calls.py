"""The calls of Dify's plugin openai_api_compatible 0.0.63, byte for byte as far as a server can see them.

No call is sent twice by the plugin; here, the same call made for two checks is sent once, and both see its answer.
"""

import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from freehold.deploy.dify.checking.exchange import Exchange, Request, exchange

PING = [{"role": "user", "content": "ping"}]
"""What the plugin asks when a user adds a model."""
RERANK_QUERY = "Who is Kasumi?"
RERANK_DOCUMENTS = (
    "Kasumi is a girl's name that means mist.",
    "Kasumi is the name of a character in a series of games.",
    "Her music is the theme of one of the games.",
)
CLIENT = (
    ("User-Agent", "python-requests/2 (freehold dify check)"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Accept", "*/*"),
    ("Connection", "close"),
)
JSON_TYPE = ("Content-Type", "application/json")
UTF_8 = ("Accept-Charset", "utf-8")
USAGE = {"include_usage": True}
LAST = ("tools", "tool_choice", "stop", "user")

Enough = Callable[[bytes], bool]


@dataclass(frozen=True)
class Target:
    """The server that is checked."""

    url: str
    """As the user typed it, the base to which paths are appended."""
    trust: ssl.SSLContext
    ca: str = ""
    """The file of authorities that `trust` has besides the system's; "" for none."""
    from_dify: str = ""
    """The address as Dify's containers have it, where that is another one than `url`."""
    key: str = field(default="", repr=False)
    """The API key; "" for none."""
    chat: str = ""
    """The name of the chat model; "" for none, as below."""
    embedding: str = ""
    rerank: str = ""
    seconds: float = 60.0
    """The most that one call may take."""


class Plugin:
    """Makes the calls for one target, and keeps each with its answer."""

    def __init__(self, target: Target, memory: dict[Request, Exchange] | None = None) -> None:
        self.target = target
        self.exchanges: list[Exchange] = []
        self.memory: dict[Request, Exchange] = {} if memory is None else memory

    def recording(self) -> "Plugin":
        """The same, with a list of exchanges of its own."""
        return Plugin(self.target, self.memory)

    def instead(self, **changes: Any) -> "Plugin":
        """The same with another key, address or model; its exchanges are recorded here."""
        other = Plugin(replace(self.target, **changes), self.memory)
        other.exchanges = self.exchanges
        return other

    # -- chat models

    def validate_chat(self, *, stream: bool = False) -> Exchange:
        """What the plugin sends when a chat model is added; `stream` as with `stream_mode_auth=use`."""
        first = {"model": self.target.chat, "max_tokens": 10 if stream else 5}
        body = {**first, **({"stream": True} if stream else {}), "messages": PING}
        return self._post("chat/completions", body, JSON_TYPE, *self._bearer())

    def validate_completion(self) -> Exchange:
        """The same with the mode "completion"."""
        body = {"model": self.target.chat, "max_tokens": 5, "prompt": "ping"}
        return self._post("completions", body, JSON_TYPE, *self._bearer())

    def chat(self, messages: Sequence[Any], **parameters: Any) -> Exchange:
        """One answer as a whole."""
        body = {"model": self.target.chat, "stream": False, **_ordered(parameters, messages)}
        return self._post("chat/completions", body, JSON_TYPE, UTF_8, *self._bearer())

    def stream(
        self, messages: Sequence[Any], enough: Enough | None = None, again: bool = False, **parameters: Any
    ) -> Exchange:
        """One answer as a stream, which is the plugin's usual way. `again` sends what was sent before once more."""
        first = {"model": self.target.chat, "stream": True, "stream_options": USAGE}
        body = {**first, **_ordered(parameters, messages)}
        return self._post("chat/completions", body, JSON_TYPE, UTF_8, *self._bearer(), enough=enough, again=again)

    # -- embedding and rerank models; these send an empty Authorization header without a key, and none

    def validate_embedding(self) -> Exchange:
        """What the plugin sends when an embedding model is added."""
        return self._embeddings({"input": "ping", "model": self.target.embedding})

    def embed(self, texts: Sequence[str], again: bool = False, **parameters: Any) -> Exchange:
        """The plugin sends one text a call; other plugins send several."""
        return self._embeddings({"model": self.target.embedding, "input": list(texts), **parameters}, again)

    def rerank(self, query: str, documents: Sequence[str], top_n: int | None = None, **parameters: Any) -> Exchange:
        """Scores of documents; `top_n` is the number of documents unless given."""
        top = len(documents) if top_n is None else top_n
        body = {"model": self.target.rerank, "query": query, "documents": list(documents), "top_n": top, **parameters}
        return self._post("rerank", body, JSON_TYPE, *self._bearer(), ascii_only=True)

    def validate_rerank(self) -> Exchange:
        """What the plugin sends when a rerank model is added."""
        return self.rerank(RERANK_QUERY, RERANK_DOCUMENTS)

    # -- what the plugin never asks

    def models(self) -> Exchange:
        """The list of models."""
        return self._send(Request("GET", joined(self.target.url, "models"), (*CLIENT, *self._bearer())))

    def _embeddings(self, body: dict[str, Any], again: bool = False) -> Exchange:
        key = self._bearer() or (("Authorization", ""),)
        return self._post("embeddings", body, JSON_TYPE, *key, ascii_only=True, again=again)

    def _bearer(self) -> tuple[tuple[str, str], ...]:
        return (("Authorization", f"Bearer {self.target.key}"),) if self.target.key else ()

    def _post(
        self,
        path: str,
        body: dict[str, Any],
        *headers: tuple[str, str],
        ascii_only: bool = False,
        enough: Enough | None = None,
        again: bool = False,
    ) -> Exchange:
        text = json.dumps(body, ensure_ascii=ascii_only, allow_nan=False)
        request = Request("POST", joined(self.target.url, path), (*CLIENT, *headers), text.encode())
        return self._send(request, enough, again)

    def _send(self, request: Request, enough: Enough | None = None, again: bool = False) -> Exchange:
        if again or request not in self.memory:
            self.memory[request] = exchange(request, self.target.trust, self.target.seconds, enough, b"data: [DONE]")
        self.exchanges.append(self.memory[request])
        return self.memory[request]


def joined(url: str, path: str) -> str:
    """The plugin's rule: a slash at the end unless there is one, then the path; nothing adds /v1."""
    return f"{url if url.endswith('/') else url + '/'}{path}"


def other_form(url: str) -> str:
    """The address without /v1 where it ends in it, and with it where it does not."""
    bare = url.rstrip("/")
    return bare.removesuffix("/v1") if bare.endswith("/v1") else f"{bare}/v1"


def host_of(url: str) -> str:
    """The host's name in an address."""
    return urlsplit(url).hostname or ""


def _ordered(parameters: dict[str, Any], messages: Sequence[Any]) -> dict[str, Any]:
    """The plugin's order: the user's parameters, messages, then tools, stop and user."""
    last = {name: value for name, value in parameters.items() if name in LAST}
    first = {name: value for name, value in parameters.items() if name not in LAST}
    return {**first, "messages": list(messages), **last}
