"""What Dify's plugins send, byte for byte as far as a server can see it, and what they read from the answers.

The calls are those of `openai_api_compatible` and of `huggingface_tei`. No plugin retries; whatever it adds to the base
URL that a user typed, with or without /v1, must be there.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

BASES = ["", "/", "/v1", "/v1/"]
NO_KEY = {"Content-Type": "application/json", "Authorization": ""}  # embeddings send the empty header without a key
QUERY = "Who owns the land?"
PING = [{"role": "user", "content": "ping"}]
DOCUMENTS = ["A lease ends.", "The freeholder owns the land outright.", "数据不出域。"]


def post(node: Any, base: str, path: str, payload: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    """The plugin joins base URL and path, and sends JSON as text."""
    url = f"{node.url}{base}"
    url = url if url.endswith("/") else f"{url}/"
    return node.client.post(f"{url}{path}", content=json.dumps(payload), headers=headers)


@pytest.mark.parametrize("base", BASES)
def test_the_embedding_model_validates(node: Any, base: str) -> None:
    """`validate_credentials`: one "ping", status 200, and `model` in the answer for the SDK's base class."""
    answer = post(node, base, "embeddings", {"input": "ping", "model": "minilm"}, NO_KEY)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "minilm"


@pytest.mark.parametrize("base", BASES)
def test_one_text_is_embedded_as_a_list_of_floats(node: Any, base: str) -> None:
    """Without `encoding_format`: floats, not base64, a vector of length 1, and both counts of tokens."""
    answer = post(node, base, "embeddings", {"model": "minilm", "input": ["数据不出域。"]}, NO_KEY).json()
    (row,) = answer["data"]
    assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 2


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b", "\ud83d", "a" * 20_000, "字" * 5_000])
def test_no_text_of_a_document_fails_its_indexing(node: Any, text: str) -> None:
    """Blank, broken or over-long: one finite vector that is not zero, since Dify drops NaN and shifts the others."""
    answer = post(node, "/v1", "embeddings", {"model": "minilm", "input": [text]}, NO_KEY)
    if text == "\ud83d":
        assert answer.status_code == 400, "half a character is no text: JSON decoders refuse it"
        return
    (row,) = answer.json()["data"]
    assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)


def test_ten_workers_index_without_a_refusal(node: Any) -> None:
    """Dify's indexing pattern: ten at a time, one Chinese chunk a request. Every one is answered, each with its own."""
    chunks = [f"第{index}段。" + "完全保有的土地没有地主，数据不出域。" * 20 for index in range(60)]

    def embed(chunk: str) -> list[float]:
        return post(node, "/v1", "embeddings", {"model": "minilm", "input": [chunk]}, NO_KEY).json()["data"][0][
            "embedding"
        ]

    with ThreadPoolExecutor(10) as workers:
        vectors = np.array(list(workers.map(embed, chunks)))
    alone = np.array([embed(chunk) for chunk in chunks[::20]])
    np.testing.assert_allclose(vectors[::20], alone, atol=1e-5)


@pytest.mark.parametrize("base", BASES)
def test_the_reranker_validates(node: Any, base: str) -> None:
    """`validate_credentials` of rerank: three documents and top_n 3; no `Authorization` at all without a key."""
    documents = ["Kasumi is a girl's name.", "Kasumi is a character of a series.", "Her music is from a game."]
    payload = {"model": "judge", "query": "Who is Kasumi?", "documents": documents, "top_n": 3}
    answer = post(node, base, "rerank", payload, {"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["results"]) == 3


@pytest.mark.parametrize("top_n", [1, 2, 3, 50])
def test_rerank_gives_the_best_first_between_0_and_1(node: Any, top_n: int) -> None:
    """`results` with `index` and `relevance_score`: sorted, top_n honoured, fit for Dify's slider."""
    payload = {"model": "judge", "query": QUERY, "documents": DOCUMENTS, "top_n": top_n}
    results = post(node, "/v1", "rerank", payload, {"Content-Type": "application/json"}).json()["results"]
    scores = [result["relevance_score"] for result in results]
    assert len(results) == min(top_n, len(DOCUMENTS))
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({result["index"] for result in results}) == len(results)


def test_the_sdk_form_of_rerank_gets_the_documents_back(node: Any) -> None:
    """`return_documents: true`, as the SDK's base class sends it: `document.text`."""
    payload = {"model": "judge", "query": QUERY, "documents": DOCUMENTS, "top_n": 3, "return_documents": True}
    results = post(node, "", "rerank", payload, {"Content-Type": "application/json"}).json()["results"]
    assert all(result["document"]["text"] == DOCUMENTS[result["index"]] for result in results)


@pytest.mark.parametrize(
    ("path", "payload", "status", "says"),
    [
        ("embeddings", {"model": "bge-m3", "input": ["x"]}, 404, "Ask for one of: minilm"),
        ("embeddings", {"model": "minilm", "input": []}, 400, "empty"),
        ("embeddings", {"model": "judge", "input": ["x"]}, 400, "/v1/rerank"),
        ("rerank", {"model": "minilm", "query": "q", "documents": ["x"], "top_n": 1}, 400, "/v1/embeddings"),
        ("rerank", {"model": "judge", "query": "q", "documents": [], "top_n": 1}, 400, "empty"),
        ("chat/completions", {"model": "minilm", "messages": PING, "max_tokens": 5}, 400, "/v1/embeddings"),
    ],
)
@pytest.mark.parametrize("base", ["", "/v1"])
def test_what_the_log_of_dify_shows_says_what_to_do(
    node: Any, base: str, path: str, payload: dict[str, Any], status: int, says: str
) -> None:
    """Dify shows the body of a failure as it is: one JSON object with a sentence that helps."""
    answer = post(node, base, path, payload, NO_KEY)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]["message"]


def test_the_tei_plugin_indexes_in_batches(node: Any) -> None:
    """Its five calls, at the base URL of one model: type, batch size, tokens, vectors."""
    info = node.client.get("/tei/minilm/info").json()
    assert "embedding" in info["model_type"]
    size = info["max_client_batch_size"]
    assert info["max_input_length"] == 256
    texts = [f"text {index}" for index in range(size)]
    tokens = node.ask("/tei/minilm/tokenize", inputs=texts).json()
    answer = node.ask("/tei/minilm/v1/embeddings", input=texts).json()
    assert len(answer["data"]) == len(tokens) == size
    assert answer["usage"]["total_tokens"] == sum(map(len, tokens))


def test_the_tei_plugin_reranks(node: Any) -> None:
    """`reranker` in its type; a bare list of index, score and text."""
    assert "reranker" in node.client.get("/tei/judge/info").json()["model_type"]
    results = node.ask("/tei/judge/rerank", query=QUERY, texts=DOCUMENTS, return_text=True).json()
    assert [result["text"] for result in results] == [DOCUMENTS[result["index"]] for result in results]
    assert all(0 <= result["score"] <= 1 for result in results)


def test_beyond_loopback_dify_needs_the_key_that_was_made(launch: Any, graphs: Any, tmp_path: Any) -> None:
    """One initial key, in a file of its own and never in the log; health needs none; an empty header is no key."""
    home = tmp_path / "home"
    node = launch(graphs["sixteen"], "--host", "0.0.0.0", "--no-tune", home=home)
    key_file = home / "initial-key"
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert str(key_file) in node.log
    assert key not in node.log
    assert node.client.get("/readyz").status_code == 200
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}):
        refused = node.client.get("/v1/models", headers=headers)
        assert refused.status_code == 401
        assert refused.json()["error"]["type"] == "authentication_error"
    node.client.headers["Authorization"] = f"Bearer {key}"
    assert node.client.get("/v1/models").status_code == 200
