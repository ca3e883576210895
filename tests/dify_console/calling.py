"""What Dify's plugin asks of a model's server: the requests of openai_api_compatible, and what it makes of answers."""

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.dify_console.state import Dify

TIMEOUT_S = 60.0


class FailedError(Exception):
    """What the plugin says of a call that did not work."""


def validated(dify: Dify, name: str, kind: str, values: Mapping[str, Any]) -> None:
    """Call the model as the plugin does before its credentials are kept. Raises FailedError."""
    model = values.get("endpoint_model_name", name)
    if kind == "llm":
        chat = values.get("mode", "chat") == "chat"
        asked = {"messages": [{"role": "user", "content": "ping"}]} if chat else {"prompt": "ping"}
        reply = _json(
            dify, values, "chat/completions" if chat else "completions", {"model": model, "max_tokens": 5, **asked}
        )
        wanted = "chat.completion" if chat else "text_completion"
        if reply.get("object") not in (wanted, "", None):
            raise FailedError(f"Credentials validation failed: invalid response object, must be {wanted!r}")
    elif kind == "text-embedding":
        embedded(dify, name, values, "ping")
    elif kind == "rerank":
        ranked(dify, name, values, "What is the capital?", ["Kasumi", "Paris is the capital", "Carrots"], 3)
    elif kind == "speech2text":
        boundary = "b0undary"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n--{boundary}\r\n'
        head += 'Content-Disposition: form-data; name="file"; filename="audio.mp3"\r\n\r\n'
        content = head.encode() + b"ID3" + f"\r\n--{boundary}--\r\n".encode()
        _post(dify, values, "audio/transcriptions", content, f"multipart/form-data; boundary={boundary}")
    else:
        body = {"model": model, "input": "ping", "voice": values.get("voices", "alloy"), "response_format": "mp3"}
        _post(dify, values, "audio/speech", json.dumps(body).encode())


def embedded(dify: Dify, name: str, values: Mapping[str, Any], text: str) -> list[float]:
    """One text a request, the order of `data` counts, L2-normalised by Dify."""
    body: dict[str, Any] = {"model": values.get("endpoint_model_name", name), "input": [text]}
    if values.get("encoding_format") == "float":
        body["encoding_format"] = "float"
    vector = _json(dify, values, "embeddings", body, always=True)["data"][0]["embedding"]
    if not isinstance(vector, list):
        raise FailedError("the embedding is no list of floats")
    norm = sum(value * value for value in vector) ** 0.5
    return [value / norm for value in vector]


def ranked(
    dify: Dify, name: str, values: Mapping[str, Any], query: str, documents: list[str], top: int
) -> list[tuple[int, float]]:
    """Places of documents and their scores, as the server has them."""
    model = values.get("endpoint_model_name", name)
    body = {"model": model, "query": query, "documents": documents, "top_n": top}
    return [(one["index"], one["relevance_score"]) for one in _json(dify, values, "rerank", body)["results"]]


def chatted(dify: Dify, name: str, values: Mapping[str, Any], query: str, parameters: Mapping[str, Any]) -> str:
    """A streamed answer, read by the plugin's rules."""
    body = {
        "model": values.get("endpoint_model_name", name),
        "stream": True,
        **parameters,
        "messages": [{"role": "user", "content": query}],
        "stream_options": {"include_usage": True},
        "user": str(uuid4()),
    }
    delimiter = values.get("stream_mode_delimiter", "\\n\\n").encode().decode("unicode_escape")
    said = ""
    for frame in _post(dify, values, "chat/completions", json.dumps(body).encode()).decode().split(delimiter):
        data = frame.strip().removeprefix("data:").strip()
        if not data or data.startswith(":") or data == "[DONE]":
            continue
        for choice in json.loads(data)["choices"]:
            said += choice["delta"].get("content") or choice["delta"].get("reasoning_content") or ""
    return said


def _json(dify: Dify, values: Mapping[str, Any], path: str, body: object, always: bool = False) -> dict[str, Any]:
    try:
        document = json.loads(_post(dify, values, path, json.dumps(body).encode(), always=always))
    except ValueError:
        raise FailedError("the response is not JSON") from None
    assert isinstance(document, dict)
    return document


def _post(
    dify: Dify,
    values: Mapping[str, Any],
    path: str,
    content: bytes,
    kind: str = "application/json",
    always: bool = False,
) -> bytes:
    """The content of a 200. Without a key there is no Authorization header, but an empty one for embeddings."""
    if dify.plugin_starts:
        dify.plugin_starts -= dify.plugin_starts > 0
        raise FailedError("PluginDaemonInternalServerError: no available node, plugin not found")
    parts = urlsplit(values["endpoint_url"].rstrip("/") + "/" + path)
    headers = {"Content-Type": kind}
    if values.get("api_key") or always:
        headers["Authorization"] = f"Bearer {values['api_key']}" if values.get("api_key") else ""
    place, timeout = (parts.hostname or "", parts.port), TIMEOUT_S
    connection = (
        http.client.HTTPSConnection(*place, timeout=timeout, context=dify.trusts)
        if parts.scheme == "https"
        else http.client.HTTPConnection(*place, timeout=timeout)
    )
    try:
        connection.request("POST", parts.path, content, headers)
        response = connection.getresponse()
        answer = response.read()
    except OSError as error:
        raise FailedError(f"An error occurred during credentials validation: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        words = re.sub(r"\s+", " ", answer.decode(errors="replace"))
        raise FailedError(f"Credentials validation failed with status code {response.status}: {words}")
    return answer
