"""Qwen3's embeddings and reranker, as Dify and TEI's clients call them, against transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

TEXTS = ["A freehold is land held outright.", "数据不出域。", "", "word " * 10]
QUERY = "land without a landlord"
PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
    ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: "
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


@pytest.fixture
def house(launch: Any, causal_embedder_folder: Path, causal_reranker_folder: Path) -> Any:
    """Both models; the reranker's folder does not say what it is."""
    models = [
        {"id": "qwen3-embedding", "source": str(causal_embedder_folder)},
        {"id": "qwen3-reranker", "source": str(causal_reranker_folder), "kind": "rerank", "workers": 1},
    ]
    return launch({"models": models}, "--no-tune")


def ids_of(folder: Path, *texts: str) -> torch.Tensor:
    """The ids of texts, tokenized one by one and put together: [1, n]."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return torch.tensor([[each for text in texts for each in tokenizer.encode(text, add_special_tokens=False)]])


def vectors(folder: Path) -> np.ndarray[Any, Any]:
    """The last state of each text and its end token, with length 1. [texts, dimensions]"""
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    with torch.inference_mode():
        rows = [model(ids_of(folder, text, "<|endoftext|>")).last_hidden_state[0, -1] for text in TEXTS]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1).numpy()


def scores(folder: Path) -> np.ndarray[Any, Any]:
    """P(yes) against no, of each text. [texts]"""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    no, yes = ids_of(folder, "no", "yes")[0].tolist()
    with torch.inference_mode():
        pairs = [ids_of(folder, f"{PREFIX}{QUERY}\n<Document>: {text}", SUFFIX) for text in TEXTS]
        logits = torch.stack([model(pair).logits[0, -1, [no, yes]] for pair in pairs])
        return torch.softmax(logits, dim=1)[:, 1].numpy()


def test_both_answer_what_transformers_answers(
    house: Any, causal_embedder_folder: Path, causal_reranker_folder: Path
) -> None:
    """Over /v1/embeddings in one request and in many, over /v1/rerank and TEI's rerank; /info says how."""
    expected = vectors(causal_embedder_folder)
    data = house.ask("/v1/embeddings", model="qwen3-embedding", input=TEXTS).json()["data"]
    np.testing.assert_allclose([one["embedding"] for one in data], expected, atol=1e-5)
    alone = [house.ask("/v1/embeddings", model="qwen3-embedding", input=text).json()["data"][0] for text in TEXTS]
    np.testing.assert_allclose([one["embedding"] for one in alone], expected, atol=1e-5)

    expected = scores(causal_reranker_folder)
    results = house.ask("/v1/rerank", model="qwen3-reranker", query=QUERY, documents=TEXTS).json()["results"]
    assert [one["index"] for one in results] == np.argsort(-expected, kind="stable").tolist()
    np.testing.assert_allclose([one["relevance_score"] for one in results], np.sort(expected)[::-1], atol=1e-5)
    ranked = house.ask("/tei/qwen3-reranker/rerank", query=QUERY, texts=TEXTS).json()
    np.testing.assert_allclose([one["score"] for one in ranked], np.sort(expected)[::-1], atol=1e-5)

    info = house.client.get("/tei/qwen3-embedding/info").json()
    assert info["model_type"] == {"embedding": {"pooling": "last_token"}}
    assert info["prompts"] == {"query": "query: "}
