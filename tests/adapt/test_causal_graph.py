"""The graphs answer as transformers does, text by text, however texts are packed together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
import transformers

from freehold.adapt.causal_folder import CausalFolder, open_causal
from freehold.adapt.causal_graph import Dialect, write_causal
from freehold.errors import FreeholdError

Make = Callable[..., Any]
Ids = list[list[int]]
TOLERANCE = 1e-5
VOCABULARY = 320
# Through both branches: one text alone, several within 192 tokens, several beyond.
BATCHES = {"alone": [301], "few": [3, 40, 17, 1, 90], "many": [5, 200, 64, 1, 130, 63, 65, 2]}
FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3")


def opened(folder: Path, kind: str = "auto") -> CausalFolder:
    found = open_causal(folder, kind)
    assert found is not None
    return found


@pytest.fixture
def graph(packed: Make, tmp_path: Path) -> Make:
    """`graph(folder, kind="auto", dialect="cpu")` writes a graph and opens it."""

    def make(folder: Path, kind: str = "auto", dialect: Dialect = "cpu") -> Any:
        target = tmp_path / f"graph {kind} {dialect}"
        target.mkdir()
        written = write_causal(opened(folder, kind), dialect)
        written.save_weights(target)
        written.save_model(target / "model.onnx")
        return packed(target / "model.onnx")

    return make


def embeds(folder: Path, *, pooling: str = "lasttoken", normalize: bool = True) -> Path:
    """Make `folder` an embedding model by the files of sentence-transformers."""
    names = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = [f"{place}_{name}" if place else "" for place, name in enumerate(names)]
    modules = [{"path": path, "type": f"models.{name}"} for path, name in zip(paths, names, strict=True)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return folder


def states_of(folder: Path, texts: Ids) -> list[torch.Tensor]:
    """transformers' last states [tokens, hidden] of each text by itself."""
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([text])).last_hidden_state[0] for text in texts]


def normalized(rows: list[torch.Tensor]) -> np.ndarray:
    return np.asarray(torch.nn.functional.normalize(torch.stack(rows), dim=1))


def largest(left: np.ndarray, right: np.ndarray) -> float:
    assert left.shape == right.shape
    return float(np.abs(left - right).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_embeds_as_transformers_does(family: str, tiny_decoder: Make, graph: Make, ids: Make) -> None:
    """The last token's state, normalised, in every company and length."""
    folder = embeds(tiny_decoder(f"{family}ForCausalLM"))
    run = graph(folder)
    for lengths in BATCHES.values():
        texts = ids(lengths, VOCABULARY)
        assert largest(run(texts), normalized([states[-1] for states in states_of(folder, texts)])) <= TOLERANCE


OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "every window": ("Mistral", {"sliding_window": 16}),
    "some windows": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": 16, "layer_types": ["full_attention", "sliding_attention"]},
    ),
    "linear scaling": ("Llama", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    "tied": ("Qwen3", {"tie_word_embeddings": True}),
    "biases": ("Qwen3", {"attention_bias": True}),
    "a group of all heads": ("Qwen2", {"num_key_value_heads": 1}),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_what_configs_may_say(option: str, tiny_decoder: Make, graph: Make, ids: Make) -> None:
    """Windows, scaled positions, biases and groups change the answer as they do in transformers."""
    family, changes = OPTIONS[option]
    folder = embeds(tiny_decoder(f"{family}ForCausalLM", **changes))
    run = graph(folder)
    for lengths in ([70, 3, 40], [5, 200, 64]):
        texts = ids(lengths, VOCABULARY)
        assert largest(run(texts), normalized([states[-1] for states in states_of(folder, texts)])) <= TOLERANCE


def test_a_body_saved_alone_embeds_by_the_mean(tiny_decoder: Make, graph: Make, ids: Make, tmp_path: Path) -> None:
    """Its tensors have no prefix; without Normalize the mean leaves as it is."""
    source, folder = tiny_decoder("Qwen3ForCausalLM"), tmp_path / "body"
    transformers.AutoModel.from_pretrained(source, local_files_only=True).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    embeds(folder, pooling="mean_tokens", normalize=False)
    assert opened(folder).config.architecture == "Qwen3Model"
    run = graph(folder)
    for lengths in BATCHES.values():
        texts = ids(lengths, VOCABULARY)
        expected = torch.stack([states.mean(dim=0) for states in states_of(folder, texts)])
        assert largest(run(texts), expected.numpy()) <= TOLERANCE


def scores(folder: Path, yes: int, no: int | None) -> None:
    """Make `folder` a reranker by the files of sentence-transformers."""
    modules = [{"path": "", "type": "base.Transformer"}, {"path": "1_LogitScore", "type": "modules.LogitScore"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_LogitScore").mkdir()
    (folder / "1_LogitScore" / "config.json").write_text(json.dumps({"true_token_id": yes, "false_token_id": no}))


def last_logits(folder: Path, texts: Ids) -> np.ndarray:
    """transformers' logits after each text: [texts, vocabulary]."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    with torch.inference_mode():
        return torch.stack([model(input_ids=torch.tensor([text])).logits[0, -1] for text in texts]).numpy()


@pytest.mark.parametrize("tied", [True, False])
def test_a_score_is_the_difference_of_two_logits(tied: bool, tiny_decoder: Make, graph: Make, ids: Make) -> None:
    """And its sigmoid the softmax over the two, whether the head has weights of its own or not."""
    folder = tiny_decoder("Qwen3ForCausalLM", tie_word_embeddings=tied)
    scores(folder, 17, 230)
    run = graph(folder)
    for lengths in BATCHES.values():
        texts = ids(lengths, VOCABULARY)
        logits = last_logits(folder, texts)
        assert largest(run(texts), (logits[:, 17] - logits[:, 230])[:, None]) <= 10 * TOLERANCE
        both = torch.softmax(torch.from_numpy(logits[:, [230, 17]]), dim=1)[:, 1:].numpy()
        assert largest(1 / (1 + np.exp(-run(texts))), both) <= TOLERANCE


def test_a_score_of_one_token_is_its_logit(tiny_decoder: Make, graph: Make, ids: Make) -> None:
    """Some rerankers have no token for no."""
    folder = tiny_decoder("Qwen2ForCausalLM")
    scores(folder, 17, None)
    texts = ids([9, 30], VOCABULARY)
    assert largest(graph(folder)(texts), last_logits(folder, texts)[:, [17]]) <= TOLERANCE


@pytest.mark.parametrize(("family", "labels"), [("Qwen3", 1), ("Llama", 3)])
def test_a_classification_head_answers_as_transformers_does(
    family: str, labels: int, tiny_decoder: Make, graph: Make, ids: Make
) -> None:
    """From the last token."""
    folder = tiny_decoder(f"{family}ForSequenceClassification", num_labels=labels)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    run = graph(folder)
    for lengths in BATCHES.values():
        texts = ids(lengths, 250)  # below the padding token, which transformers looks for
        with torch.inference_mode():
            expected = torch.cat([model(input_ids=torch.tensor([text])).logits for text in texts])
        assert largest(run(texts), expected.numpy()) <= TOLERANCE


@pytest.fixture(scope="module")
def folder(tiny_decoder: Make) -> Path:
    """A tiny Qwen3 that embeds."""
    return embeds(tiny_decoder("Qwen3ForCausalLM"))


def test_every_dialect_is_one_function(folder: Path, graph: Make, ids: Make) -> None:
    """The graphs for CUDA and in standard operators answer as the one for the CPU, over the same weights."""
    runs = [graph(folder, dialect=dialect) for dialect in ("cpu", "cuda", "standard")]
    weights = [write_causal(opened(folder), dialect).weights for dialect in ("cpu", "cuda", "standard")]
    assert weights[0] == weights[1] == weights[2]
    for lengths in ([128], [3, 40, 17], [5, 120, 64, 1, 128, 63]):
        cpu, cuda, standard = (run(ids(lengths, VOCABULARY)) for run in runs)
        assert largest(cpu, cuda) <= TOLERANCE
        assert largest(cpu, standard) <= TOLERANCE


def test_openvino_answers_as_onnx_runtime_does(folder: Path, graph: Make, ids: Make, tmp_path: Path) -> None:
    """The standard dialect has no operator of a vendor and no control flow."""
    nodes = write_causal(opened(folder), "standard").nodes
    assert {node.domain for node in nodes} == {""}
    assert not {node.op_type for node in nodes} & {"If", "Loop", "Scan", "SimplifiedLayerNormalization"}
    expected = graph(folder, dialect="standard")
    compiled = openvino.Core().compile_model(
        tmp_path / "graph auto standard" / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    texts = ids([5, 200, 64, 1], VOCABULARY)
    lengths = np.array([len(text) for text in texts])
    feeds = {
        "input_ids": np.concatenate(texts),
        "sequence_ids": np.repeat(np.arange(len(texts)), lengths),
        "sequence_starts": np.cumsum(lengths) - lengths,
    }
    assert largest(compiled(feeds)[0], expected(texts)) <= TOLERANCE


def test_each_text_has_an_answer_of_its_own(folder: Path, graph: Make, ids: Make) -> None:
    """The comparisons above can fail: what comes before a token counts, and what comes after it does not exist."""
    run = graph(folder)
    one, other = ids([20, 20], VOCABULARY)
    first, second, turned = run([one, other, one[::-1]])
    assert largest(first, second) > 1000 * TOLERANCE
    assert largest(first, turned) > 1000 * TOLERANCE


def test_a_missing_tensor_is_named(folder: Path, tiny_decoder: Make) -> None:
    """A config that promises more layers than there are weights."""
    longer = embeds(tiny_decoder("Qwen3ForCausalLM"))
    config = json.loads((longer / "config.json").read_text())
    config |= {"num_hidden_layers": 3, "layer_types": None}
    (longer / "config.json").write_text(json.dumps(config))
    with pytest.raises(FreeholdError, match="tensor_missing") as caught:
        write_causal(opened(longer), "cpu")
    assert "layers.2." in caught.value.cause
