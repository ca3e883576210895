"""Rerank as Jina's, Cohere's and TEI's clients call it, against scores computed by hand."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

QUERY = "land without a landlord"
DOCUMENTS = ["freehold", "a lease that ends", "数据不出域", "", "land " * 200]


def raw_scores(home: Path, digest: str) -> np.ndarray[Any, Any]:
    """Sigmoid of the logit of each pair alone, by plain ONNX Runtime from the artifact that is served. [documents]"""
    manifests = (home / "cache" / "graphs").glob("*/manifest.json")
    folder = next(path.parent for path in manifests if f"sha256:{sha256(path.read_bytes()).hexdigest()}" == digest)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128, strategy="longest_first")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    logits = []
    for document in DOCUMENTS:
        ids = tokenizer.encode(QUERY, document).ids
        feeds = {
            "input_ids": np.array(ids),
            "sequence_ids": np.zeros(len(ids), np.int64),
            "sequence_starts": np.zeros(1, np.int64),
        }
        logits.append(session.run(None, feeds)[0].item())
    return 1 / (1 + np.exp(-np.array(logits)))


@pytest.fixture
def expected(node: Any) -> np.ndarray[Any, Any]:
    """The scores of DOCUMENTS."""
    return raw_scores(node.home, node.client.get("/v1/models/judge").json()["freehold"]["digest"])


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_jina_and_cohere_get_the_scores_of_the_graph(node: Any, expected: Any, path: str) -> None:
    """Sorted, each within 1e-5 of the pair alone, with the fields that both clients read."""
    answer = node.ask(path, model="judge", query=QUERY, documents=DOCUMENTS).json()
    results = answer["results"]
    assert [result["index"] for result in results] == np.argsort(-expected, kind="stable").tolist()
    for result in results:
        assert result["relevance_score"] == pytest.approx(expected[result["index"]], abs=1e-5)
    assert answer["usage"]["total_tokens"] > 0
    assert answer["meta"]["billed_units"]["search_units"] == 1
    assert answer["id"]


def test_documents_may_be_objects(node: Any) -> None:
    """Cohere's older clients send {"text": ...}."""
    plain = node.ask("/v1/rerank", model="judge", query=QUERY, documents=DOCUMENTS[:2]).json()
    objects = node.ask("/v1/rerank", model="judge", query=QUERY, documents=[{"text": d} for d in DOCUMENTS[:2]]).json()
    assert objects["results"] == plain["results"]


@pytest.mark.parametrize("path", ["/rerank", "/tei/judge/rerank"])
def test_tei_gets_the_scores_of_the_graph(node: Any, expected: Any, path: str) -> None:
    """A sorted list; raw_scores gives the logits."""
    ranks = node.ask(path, query=QUERY, texts=DOCUMENTS).json()
    assert [rank["index"] for rank in ranks] == np.argsort(-expected, kind="stable").tolist()
    for rank in ranks:
        assert rank["score"] == pytest.approx(expected[rank["index"]], abs=1e-5)
    raw = node.ask(path, query=QUERY, texts=DOCUMENTS, raw_scores=True).json()
    for rank in raw:
        assert 1 / (1 + np.exp(-rank["score"])) == pytest.approx(expected[rank["index"]], abs=1e-5)


def test_tei_embeds_as_openai_does(node: Any) -> None:
    """`/embed` of the only embedding model: the same vectors in a bare list."""
    texts = ["one", "two"]
    vectors = node.ask("/embed", inputs=texts).json()
    listed = node.ask("/v1/embeddings", input=texts).json()["data"]
    np.testing.assert_allclose(vectors, [row["embedding"] for row in listed], atol=1e-6)


def test_tei_tokens_count_what_is_computed(node: Any) -> None:
    """`/tokenize` shows as many tokens as the usage of an embedding says."""
    tokens = node.ask("/tei/minilm/tokenize", inputs="数据不出域 freehold").json()[0]
    assert node.ask("/v1/embeddings", input="数据不出域 freehold").json()["usage"]["total_tokens"] == len(tokens)


def test_tei_info_of_two_text_models_asks_which(node: Any) -> None:
    """Where one node serves an embedder and a reranker, the bare `/info` cannot mean one: it names both."""
    refused = node.client.get("/info")
    assert refused.status_code == 400
    assert "minilm, judge" in refused.json()["error"]
