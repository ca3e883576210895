"""Embeddings, rerank and the list of models, over HTTP."""

import base64
from collections.abc import Callable

import httpx
import numpy as np
import openai
import pytest

TEXTS = ["the cat sat", "on the mat, which was rather longer", "你好"]


def vectors(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array([row["embedding"] for row in answer.json()["data"]], np.float64)


def embed(node: httpx.Client, **fields: object) -> httpx.Response:
    return node.post("/v1/embeddings", json={"model": "tiny", "input": TEXTS, **fields})


def test_embeddings_come_as_float_lists_in_order(node: httpx.Client) -> None:
    """One unit vector a text, floats without being asked, with usage."""
    answer = embed(node).json()
    assert (answer["object"], answer["model"]) == ("list", "tiny")
    assert [row["index"] for row in answer["data"]] == [0, 1, 2]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 6
    rows = np.array([row["embedding"] for row in answer["data"]])
    assert rows.shape == (3, 32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alone = vectors(embed(node, input=TEXTS[1]))
    assert np.allclose(alone[0], rows[1], atol=1e-5)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings", "/v1/embeddings/", "/tei/tiny/v1/embeddings"])
def test_every_path_of_embeddings_answers(node: httpx.Client, path: str) -> None:
    """With the version, without it, with a slash too many, and below a model's TEI base."""
    assert vectors(node.post(path, json={"model": "tiny", "input": "a"})).shape == (1, 32)


def test_base64_holds_the_same_numbers(node: httpx.Client) -> None:
    """base64 is little-endian float32, equal to the decimals read as float32."""
    plain = vectors(embed(node)).astype(np.float32)
    packed = embed(node, encoding_format="base64").json()["data"]
    for row, expected in zip(packed, plain, strict=True):
        assert np.array_equal(np.frombuffer(base64.b64decode(row["embedding"]), "<f4"), expected)


def test_fewer_dimensions_are_the_first_ones_renormalised(node: httpx.Client) -> None:
    """Matryoshka: cut, then length 1 again; more than the model has is an error with both numbers."""
    whole, cut = vectors(embed(node)), vectors(embed(node, dimensions=8))
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    assert np.allclose(cut, expected, atol=1e-6)
    error = embed(node, dimensions=33)
    assert error.status_code == 400
    assert error.json()["error"]["code"] == "dimensions_invalid"
    assert "33" in error.json()["error"]["message"]
    assert "32" in error.json()["error"]["message"]


def test_token_ids_embed_as_the_text_does(node: httpx.Client) -> None:
    """A list of ids is one input, a list of lists several."""
    ids = [token["id"] for token in node.post("/tei/tiny/tokenize", json={"inputs": TEXTS[0]}).json()[0]]
    expected = vectors(embed(node, input=TEXTS[0]))
    assert np.allclose(vectors(embed(node, input=ids)), expected, atol=1e-6)
    assert np.allclose(vectors(embed(node, input=[ids, ids])), np.concatenate([expected, expected]), atol=1e-6)


@pytest.mark.parametrize("text", ["", " ", "\n", "\x00"])
def test_blank_texts_have_a_vector(node: httpx.Client, text: str) -> None:
    """A chunk without words does not fail the document that Dify indexes."""
    rows = vectors(embed(node, input=[text, "a"]))
    assert np.isfinite(rows).all()
    assert rows[0].any()


def test_texts_that_are_too_long_are_cut_and_counted(node: httpx.Client) -> None:
    """100,000 characters are truncated, and a header says how many texts were."""
    answer = embed(node, input=["word " * 20_000, "short"])
    assert vectors(answer).shape == (2, 32)
    assert answer.headers["x-freehold-truncated"] == "1"
    assert answer.json()["usage"]["prompt_tokens"] < 64 + 20
    assert "x-freehold-truncated" not in embed(node).headers


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"input": []}, "list_empty"),
        ({"input": [[]]}, "list_empty"),
        ({"input": ["a", 1]}, "input_mixed"),
        ({"input": [[1], "a"]}, "input_mixed"),
        ({"input": None}, "request_invalid"),
        ({"input": [-1]}, "request_invalid"),
        ({"input": [1.5]}, "request_invalid"),
        ({"input": {"text": "a"}}, "request_invalid"),
        ({"input": [2**31 - 1]}, "token_out_of_range"),
        ({"encoding_format": "hex"}, "request_invalid"),
        ({"dimensions": 0}, "request_invalid"),
        ({"dimensions": "8"}, "request_invalid"),
        ({"model": "judge"}, "model_kind_wrong"),
        ({"model": "fp32"}, "model_kind_wrong"),
    ],
)
def test_a_wrong_request_is_a_400_in_openais_shape(node: httpx.Client, fields: dict[str, object], code: str) -> None:
    """Every mistake has its code, a message and OpenAI's error type."""
    answer = embed(node, **fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == (code, "invalid_request_error")
    assert error["message"]


def test_a_model_of_another_kind_names_its_own_call(node: httpx.Client) -> None:
    """An embedding call to a rerank model says where rerank is."""
    message = embed(node, model="judge").json()["error"]["message"]
    assert "rerank" in message
    assert "/v1/rerank" in message


def test_an_unknown_model_names_those_that_are_served(node: httpx.Client) -> None:
    """404, with the ids that would have worked."""
    answer = embed(node, model="gpt-4")
    assert answer.status_code == 404
    assert "tiny" in answer.json()["error"]["message"]


def test_unknown_fields_and_an_empty_key_are_ignored(node: httpx.Client) -> None:
    """Dify sends `user`, others more; its embedding call has an empty Authorization header."""
    body = {"model": "tiny", "input": ["a"], "user": "u", "thinking": {"deep": [1]}}
    answer = node.post("/embeddings", json=body, headers={"Authorization": ""})
    assert answer.status_code == 200


@pytest.mark.parametrize("model", [{}, {"model": ""}, {"model": None}])
def test_without_a_name_the_only_embedding_model_is_meant(node: httpx.Client, model: dict[str, object]) -> None:
    """Clients that leave `model` out or empty get the one that fits."""
    answer = node.post("/v1/embeddings", json={"input": "a", **model})
    assert answer.json()["model"] == "tiny"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"\xff", b'{"input": NaN}'])
def test_bodies_that_are_no_request_are_400(node: httpx.Client, body: bytes) -> None:
    """Malformed JSON in OpenAI's error shape, whatever the content type."""
    answer = node.post("/v1/embeddings", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("json_malformed", "request_invalid", "json_not_finite")


def rerank(node: httpx.Client, path: str = "/v1/rerank", **fields: object) -> httpx.Response:
    return node.post(path, json={"model": "judge", "query": "what sat?", "documents": TEXTS, **fields})


def test_rerank_sorts_by_scores_between_0_and_1(node: httpx.Client) -> None:
    """All documents, best first, each score the sigmoid of the logit that TEI's raw scores show."""
    answer = rerank(node).json()
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert sorted(result["index"] for result in answer["results"]) == [0, 1, 2]
    assert "document" not in answer["results"][0]
    assert answer["usage"]["total_tokens"] > 0
    raw = node.post("/tei/judge/rerank", json={"query": "what sat?", "texts": TEXTS, "raw_scores": True}).json()
    logit = {row["index"]: row["score"] for row in raw}
    for result in answer["results"]:
        assert result["relevance_score"] == pytest.approx(1 / (1 + np.exp(-logit[result["index"]])), abs=1e-6)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_every_path_of_rerank_honours_top_n_and_returns_documents(node: httpx.Client, path: str) -> None:
    """Jina's and Cohere's path, and the one without a version."""
    answer = rerank(node, path, top_n=2, return_documents=True, documents=[TEXTS[0], {"text": TEXTS[1]}, TEXTS[2]])
    results = answer.json()["results"]
    assert len(results) == 2
    assert all(result["document"] == {"text": TEXTS[result["index"]]} for result in results)
    assert len(rerank(node, path, top_n=50).json()["results"]) == 3


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"documents": []}, "list_empty"),
        ({"documents": "a"}, "request_invalid"),
        ({"documents": [{"title": "a"}]}, "request_invalid"),
        ({"documents": None}, "request_invalid"),
        ({"query": None}, "request_invalid"),
        ({"top_n": 0}, "request_invalid"),
        ({"model": "tiny"}, "model_kind_wrong"),
    ],
)
def test_a_wrong_rerank_is_a_400(node: httpx.Client, fields: dict[str, object], code: str) -> None:
    """Each mistake has its code."""
    answer = rerank(node, **fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_blank_documents_and_queries_are_scored(node: httpx.Client) -> None:
    """Nothing to say is no error."""
    assert len(rerank(node, query="", documents=["", " "]).json()["results"]) == 2


def test_models_are_listed_with_kind_digest_and_proof(node: httpx.Client) -> None:
    """OpenAI's fields and ours, in the order of the configuration; one can be asked for by its id."""
    listed = node.get("/v1/models").json()
    assert listed == node.get("/models").json()
    assert listed["object"] == "list"
    first = listed["data"][0]
    assert (first["id"], first["object"], first["owned_by"]) == ("tiny", "model", "freehold")
    assert isinstance(first["created"], int)
    assert first["freehold"]["kind"] == "embed"
    assert first["freehold"]["digest"].startswith("sha256:")
    assert first["freehold"]["proof"] in ("raw", "self", "none")
    assert node.get("/v1/models/tiny").json() == first
    assert node.get("/v1/models/none").status_code == 404


def test_the_openai_client_reads_our_answers(node_url: str) -> None:
    """The official client, which asks for base64 by itself, gets vectors, models, and typed errors."""
    with openai.OpenAI(base_url=f"{node_url}/v1", api_key="none", max_retries=0) as client:
        answer = client.embeddings.create(model="tiny", input=TEXTS)
        assert len(answer.data) == 3
        assert len(answer.data[0].embedding) == 32
        assert client.models.list().data[0].id == "tiny"
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="other", input="a")
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="tiny", input=[])


def test_without_a_model_of_the_kind_a_nameless_call_says_so(serve_only: Callable[..., httpx.Client]) -> None:
    """A node without an embedding model refuses an embedding call that names none."""
    answer = serve_only("judge").post("/v1/embeddings", json={"input": "a"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "model_ambiguous"
