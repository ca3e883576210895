"""The calls of text-embeddings-inference, as Dify's plugin for it makes them."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest

TEXTS = ["the cat sat", "on the mat", "你好"]
TOO_LONG = "word " * 1000


def test_info_describes_an_embedding_model(node: httpx.Client) -> None:
    """What Dify's plugin reads: the kind, the length, and the batch size that makes it send many texts at once."""
    info = node.get("/tei/tiny/info").json()
    assert info["model_id"] == "tiny"
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert info["max_input_length"] == 64
    assert info["max_client_batch_size"] >= 32
    assert info["model_dtype"] == "float32"
    assert info["model_sha"].startswith("sha256:")
    assert info["prompts"]["query"] == "query: "


def test_info_describes_a_reranker(node: httpx.Client) -> None:
    """A rerank model has the labels of its head."""
    info = node.get("/tei/judge/info").json()
    assert list(info["model_type"]) == ["reranker"]
    labels = info["model_type"]["reranker"]
    assert [labels["label2id"][labels["id2label"][key]] for key in labels["id2label"]] == [0]


def test_the_bare_paths_mean_the_only_text_model(serve_only: Callable[..., httpx.Client]) -> None:
    """A node with one text model is TEI's own layout: no name anywhere."""
    client = serve_only("tiny", "fp32")
    assert client.get("/info").json()["model_id"] == "tiny"
    assert len(client.post("/tokenize", json={"inputs": "a"}).json()) == 1
    assert len(client.post("/embed", json={"inputs": TEXTS}).json()) == 3


def test_the_bare_info_of_two_text_models_is_refused(node: httpx.Client) -> None:
    """Where an embedding and a rerank model are served, `/info` cannot mean one of them; the body is TEI's."""
    answer = node.get("/info")
    assert answer.status_code == 400
    assert sorted(answer.json()) == ["error", "error_type"]
    assert answer.json()["error_type"] == "validation"
    assert "tiny" in answer.json()["error"]
    assert "judge" in answer.json()["error"]


def test_embed_gives_a_list_of_vectors(node: httpx.Client) -> None:
    """A text or a list of texts; the vectors of the OpenAI call."""
    vectors = node.post("/embed", json={"inputs": TEXTS}).json()
    expected = node.post("/v1/embeddings", json={"model": "tiny", "input": TEXTS}).json()["data"]
    assert np.allclose(vectors, [row["embedding"] for row in expected], atol=1e-6)
    assert np.allclose(node.post("/tei/tiny/embed", json={"inputs": TEXTS[0]}).json(), vectors[:1], atol=1e-5)
    short = np.array(node.post("/embed", json={"inputs": TEXTS[0], "dimensions": 4}).json())
    assert short.shape == (1, 4)
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-5)


def test_a_prompt_is_put_before_the_text(node: httpx.Client) -> None:
    """`prompt_name` applies the model's own prefix; an unknown name lists those there are."""
    named = node.post("/embed", json={"inputs": "a cat", "prompt_name": "query"}).json()
    spelled = node.post("/embed", json={"inputs": "query: a cat"}).json()
    assert np.allclose(named, spelled, atol=1e-6)
    answer = node.post("/embed", json={"inputs": "a", "prompt_name": "title"})
    assert answer.status_code == 400
    assert "query" in answer.json()["error"]


def test_vectors_that_the_graph_normalises_cannot_be_had_raw(node: httpx.Client) -> None:
    """`normalize: false` is refused rather than ignored."""
    assert node.post("/embed", json={"inputs": "a", "normalize": False}).status_code == 501


def test_truncation_is_counted_or_refused_as_asked(node: httpx.Client) -> None:
    """Cut by default, with a header; `truncate: false` is a 413 with both numbers."""
    body = {"inputs": [TOO_LONG, "a"]}
    assert node.post("/embed", json=body).headers["x-freehold-truncated"] == "1"
    answer = node.post("/embed", json={**body, "truncate": False})
    assert answer.status_code == 413
    assert "64 tokens" in answer.json()["error"]
    assert node.post("/embed", json={"inputs": "a", "truncate": False}).status_code == 200


@pytest.mark.parametrize("path", ["/rerank", "/tei/judge/rerank"])
def test_rerank_is_a_sorted_list(node: httpx.Client, path: str) -> None:
    """At the path that Jina's call shares, too: the body tells them apart."""
    answer = node.post(path, json={"query": "who?", "texts": TEXTS, "return_text": True}).json()
    scores = [row["score"] for row in answer]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(row["text"] == TEXTS[row["index"]] for row in answer)
    assert "text" not in node.post(path, json={"query": "who?", "texts": TEXTS}).json()[0]


def test_tokenize_shows_every_token_with_its_place(node: httpx.Client) -> None:
    """Ids, texts, which are special, and the characters they stand for; without specials on request."""
    tokens = node.post("/tei/tiny/tokenize", json={"inputs": ["ab", "c"]}).json()
    assert [len(one) for one in tokens] == [4, 3]
    assert tokens[0][0] == {"id": 2, "text": "[CLS]", "special": True, "start": None, "stop": None}
    assert [(token["text"], token["start"], token["stop"]) for token in tokens[0][1:3]] == [("a", 0, 1), ("##b", 1, 2)]
    plain = node.post("/tei/tiny/tokenize", json={"inputs": "ab", "add_special_tokens": False}).json()
    assert [token["text"] for token in plain[0]] == ["a", "##b"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/embed", {"inputs": []}),
        ("/embed", {"inputs": [1]}),
        ("/embed", {}),
        ("/tei/judge/embed", {"inputs": "a"}),
        ("/tei/fp32/tokenize", {"inputs": "a"}),
        ("/tei/tiny/tokenize", {"inputs": []}),
        ("/tei/judge/rerank", {"query": "a", "texts": []}),
        ("/tei/judge/rerank", {"query": "a", "texts": "b"}),
        ("/tei/tiny/rerank", {"query": "a", "texts": ["b"]}),
    ],
)
def test_a_wrong_call_is_a_400_in_teis_shape(node: httpx.Client, path: str, body: dict[str, object]) -> None:
    """Message and type, as TEI's clients read them."""
    answer = node.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error_type"] == "validation"


def test_an_unknown_model_is_a_404(node: httpx.Client) -> None:
    """The served ids are named."""
    answer = node.get("/tei/none/info")
    assert answer.status_code == 404
    assert "tiny" in answer.json()["error"]
