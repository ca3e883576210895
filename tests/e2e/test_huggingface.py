"""Models that came through the Hugging Face door, called as clients call them, against transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

DISTILBERT = {"dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 64, "initializer_range": 0.2}
ELECTRA = {"hidden_size": 32, "embedding_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4}
VIT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 16}
TEXTS = ["A freehold is land held outright.", "数据不出域。", "a"]
QUERY = "land without a landlord"

Folders = dict[str, Path]


@pytest.fixture(scope="module")
def folders(raw_folder: Callable[..., Path]) -> Folders:
    """One folder of each kind, by the id that it is served under."""
    return {
        "embedder": raw_folder("DistilBertModel", **DISTILBERT),
        "judge": raw_folder("ElectraForSequenceClassification", num_labels=1, initializer_range=0.2, **ELECTRA),
        "moods": raw_folder("DistilBertForSequenceClassification", num_labels=3, **DISTILBERT),
        "names": raw_folder("ElectraForTokenClassification", num_labels=5, initializer_range=0.2, **ELECTRA),
        "pictures": raw_folder("ViTForImageClassification", tokenizer="", num_labels=4, patch_size=8, **VIT),
    }


@pytest.fixture(scope="module")
def house(folders: Folders, exported: Callable[..., Path], shared_launch: Any) -> Any:
    """A server of what the door made of them; each must be proven by what transformers answered."""
    models = [
        {"id": name, "source": str(exported(folder)), "require": {"proof": "always"}}
        for name, folder in folders.items()
    ]
    return shared_launch({"models": models}, "--no-tune")


def answer(folder: Path, *texts: list[str], **tensors: torch.Tensor) -> Any:
    """What transformers' own class answers to one text or pair, or to tensors."""
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(folder).eval()
    if texts:
        tensors = dict(transformers.AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt"))
    with torch.inference_mode():
        return model(**tensors)


def test_every_model_is_ready_and_proven(house: Any, folders: Folders) -> None:
    """By goldens of transformers, not by our own."""
    listed = house.client.get("/readyz").json()["models"]
    assert {model["id"]: model["proof"] for model in listed} == dict.fromkeys(folders, "raw")


def test_embeddings(house: Any, folders: Folders) -> None:
    """Over /v1/embeddings, in one request and alone: the mean of the states."""
    expected = [answer(folders["embedder"], [text]).last_hidden_state[0].mean(dim=0).numpy() for text in TEXTS]
    data = house.ask("/v1/embeddings", model="embedder", input=TEXTS).json()["data"]
    np.testing.assert_allclose([one["embedding"] for one in data], expected, atol=1e-5)


def test_rerank(house: Any, folders: Folders) -> None:
    """Over TEI's route, raw scores in the order of transformers' logits."""
    expected = np.array([answer(folders["judge"], [QUERY], [text]).logits[0, 0].item() for text in TEXTS])
    ranked = house.ask("/tei/judge/rerank", query=QUERY, texts=TEXTS, raw_scores=True).json()
    assert [one["index"] for one in ranked] == np.argsort(-expected).tolist()
    np.testing.assert_allclose([one["score"] for one in ranked], np.sort(expected)[::-1], atol=1e-5)


def test_classify(house: Any, folders: Folders) -> None:
    """Texts over the inference protocol: one logit a label."""
    expected = [answer(folders["moods"], [text]).logits[0].numpy() for text in TEXTS]
    texts = [{"name": "text", "datatype": "BYTES", "shape": [len(TEXTS)], "data": TEXTS}]
    output = house.ask("/v2/models/moods/infer", inputs=texts).json()["outputs"][0]
    np.testing.assert_allclose(np.reshape(output["data"], output["shape"]), expected, atol=1e-5)


def test_tokens_and_images_over_the_inference_protocol(house: Any, folders: Folders) -> None:
    """As tensors: labels of each token, and of a picture; two rows of different lengths under a mask."""
    ids, mask = torch.tensor([[2, 9, 10, 11, 3], [2, 12, 3, 0, 0]]), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    tensors = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    expected = answer(folders["names"], **tensors).logits.numpy()
    np.testing.assert_allclose(infer(house, "names", tensors, "INT64"), expected, atol=1e-5)

    pixels = {"pixel_values": torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)}
    expected = answer(folders["pictures"], **pixels).logits.numpy()
    np.testing.assert_allclose(infer(house, "pictures", pixels, "FP32"), expected, atol=1e-5)


def infer(house: Any, model: str, tensors: dict[str, torch.Tensor], datatype: str) -> np.ndarray[Any, Any]:
    """The output `logits` of one call."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": list(value.shape), "data": value.flatten().tolist()}
        for name, value in tensors.items()
    ]
    output = house.ask(f"/v2/models/{model}/infer", inputs=inputs).json()["outputs"][0]
    assert output["name"] == "logits"
    return np.array(output["data"], np.float32).reshape(output["shape"])
