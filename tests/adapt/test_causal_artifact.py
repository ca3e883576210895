"""What an engine makes of a causal folder's artifact is what the models' publishers compute with transformers."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, processors

from freehold.adapt import graphs
from freehold.adapt.causal_artifact import CausalArtifact
from freehold.adapt.causal_folder import open_causal
from freehold.adapt.digests import DigestMemo
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

Make = Callable[..., Path]
FAR = 1e12
TEXTS = ["", "a", "What is the capital of China?", "北京是中国的首都。", "word " * 60, "<|im_end|> spelled out"]
LONG = "The capital of China is Beijing. " * 60

# Qwen3-Reranker's model card: what stands before and after a pair, and how a pair is written.
PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
    ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
PAIR = (
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
    "<Query>: {query}\n<Document>: {text}"
)


def answered(artifact: Path, request: Any, **settings: Any) -> Any:
    """The engine's answer to all texts at once."""
    engine = open_artifact(artifact, EngineSettings(tune=False, **settings))

    async def body() -> Any:
        await engine.load()
        try:
            return await engine.infer(request, FAR)
        finally:
            await engine.close(5.0)

    return asyncio.run(body())


def embedded(folder: Path, texts: list[str], max_tokens: int, end: str = "<|endoftext|>") -> np.ndarray:
    """Last states of transformers, over the ids that the model's tokenizer gives, then `end`, normalised."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    rows = []
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=max_tokens - 1, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            states = model(input_ids=torch.tensor([[*ids, tokenizer.convert_tokens_to_ids(end)]])).last_hidden_state
        rows.append(torch.nn.functional.normalize(states[0, -1], dim=0))
    return torch.stack(rows).numpy()


def probabilities(folder: Path, query: str, texts: list[str], max_tokens: int) -> np.ndarray:
    """P(yes) of each text, step by step as the model card has it."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    before, after = (tokenizer.encode(part, add_special_tokens=False) for part in (PREFIX, SUFFIX))
    yes, no = (tokenizer.convert_tokens_to_ids(token) for token in ("yes", "no"))
    found = []
    for text in texts:
        pair = PAIR.format(query=query, text=text)
        ids = tokenizer(pair, truncation=True, max_length=max_tokens - len(before) - len(after))["input_ids"]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*before, *ids, *after]])).logits[0, -1]
        found.append(torch.log_softmax(torch.stack([logits[no], logits[yes]]), dim=0)[1].exp())
    return torch.stack(found).numpy()


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("adds_end", [False, True], ids=["bare tokenizer", "tokenizer that adds the end"])
def test_embeddings_are_transformers_own(adds_end: bool, causal_embedder_folder: Path, tmp_path: Path) -> None:
    """Whether the shipped tokenizer ends texts or not, short and cut, in one batch."""
    folder = shutil.copytree(causal_embedder_folder, tmp_path / "m")
    if adds_end:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        end = "<|endoftext|>"
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
        )
        tokenizer.save(str(folder / "tokenizer.json"))
    answer = answered(graphs.build(folder, tmp_path / "cache"), EmbedRequest([*TEXTS, LONG]))
    expected = embedded(folder, [*TEXTS, LONG], max_tokens=256)
    np.testing.assert_allclose(answer.outputs["embeddings"], expected, atol=1e-5)
    assert answer.truncated == 1


def test_scores_are_those_of_the_model_card(causal_reranker_folder: Path, tmp_path: Path) -> None:
    """P(yes) by the sigmoid of our logit, of short texts, an empty one and one that is cut."""
    artifact = graphs.build(causal_reranker_folder, tmp_path, kind="rerank")
    for query in ("capital of China", "", "首都"):
        answer = answered(artifact, RerankRequest(query, [*TEXTS, LONG]))
        expected = probabilities(causal_reranker_folder, query, [*TEXTS, LONG], max_tokens=512)
        np.testing.assert_allclose(sigmoid(answer.outputs["logits"][:, 0]), expected, atol=1e-5)
        assert answer.truncated == 1
    assert float(np.ptp(expected)) > 1e-3


def test_a_long_query_leaves_the_place_for_the_answer(causal_reranker_folder: Path, tmp_path: Path) -> None:
    """Whatever is cut, the end of the template is read; the model card cuts so too."""
    artifact = graphs.build(causal_reranker_folder, tmp_path, kind="rerank")
    query = LONG
    answer = answered(artifact, RerankRequest(query, ["a", LONG]))
    expected = probabilities(causal_reranker_folder, query, ["a", LONG], max_tokens=512)
    np.testing.assert_allclose(sigmoid(answer.outputs["logits"][:, 0]), expected, atol=1e-5)


def test_a_converted_reranker_scores_as_the_original(
    causal_reranker_folder: Path, tiny_decoder: Make, tmp_path: Path
) -> None:
    """With a classification head made of the two rows, and the same pairs."""
    source = transformers.AutoModelForCausalLM.from_pretrained(causal_reranker_folder, local_files_only=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(causal_reranker_folder, local_files_only=True)
    yes, no = (tokenizer.convert_tokens_to_ids(token) for token in ("yes", "no"))
    converted = transformers.Qwen3ForSequenceClassification(
        transformers.AutoConfig.from_pretrained(causal_reranker_folder, num_labels=1)
    )
    converted.model.load_state_dict(source.model.state_dict())
    with torch.no_grad():
        converted.score.weight.copy_(source.lm_head.weight[yes] - source.lm_head.weight[no])
    folder = tmp_path / "seq-cls"
    converted.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(causal_reranker_folder / name, folder / name)
    request = RerankRequest("capital of China", TEXTS)
    logits = answered(graphs.build(folder, tmp_path / "cache"), request).outputs["logits"]
    original = graphs.build(causal_reranker_folder, tmp_path / "cache", kind="rerank")
    np.testing.assert_allclose(logits, answered(original, request).outputs["logits"], atol=1e-5)


def test_a_classifier_reads_texts_and_names_its_labels(tiny_decoder: Make, tmp_path: Path) -> None:
    """Several labels, raw logits. An empty text has no token, and is not given its neighbour's answer."""
    folder = tiny_decoder("LlamaForSequenceClassification", num_labels=3)
    artifact = Artifact.open(graphs.build(folder, tmp_path))
    assert (artifact.manifest.kind, artifact.manifest.labels) == ("classify", ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert answered(artifact.path, EmbedRequest(["a", "b"])).outputs["logits"].shape == (2, 3)
    with pytest.raises(FreeholdError, match="text_without_tokens") as caught:
        answered(artifact.path, EmbedRequest(["a", ""]))
    assert caught.value.details["place"] == 1


def test_the_manifest_of_an_embedding_model(causal_embedder_folder: Path, tmp_path: Path) -> None:
    """All that engines and clients ask, prompts too, which are shown and never applied unasked."""
    artifact = Artifact.open(graphs.build(causal_embedder_folder, tmp_path))
    artifact.check_files()
    manifest = artifact.manifest
    assert (manifest.kind, manifest.layout, manifest.precision) == ("embed", "packed", "fp32")
    assert (manifest.pooling, manifest.normalized, manifest.dimensions) == ("last", True, 64)
    assert (manifest.limits.max_tokens, manifest.limits.positions) == (256, 512)
    assert (manifest.architecture, manifest.prompts) == ("Qwen3ForCausalLM", {"query": "query: "})
    assert [each.name for each in manifest.inputs] == ["input_ids", "sequence_ids", "sequence_starts"]
    assert manifest.pair is None


def test_the_manifest_of_a_reranker(causal_reranker_folder: Path, tmp_path: Path) -> None:
    """It says how pairs are laid out: an engine knows nothing of Qwen3."""
    manifest = Artifact.open(graphs.build(causal_reranker_folder, tmp_path, kind="rerank")).manifest
    assert (manifest.kind, manifest.outputs[0].shape, manifest.labels) == ("rerank", (-1, 1), ())
    assert manifest.pair is not None
    assert manifest.pair.of("q", "d") == PREFIX + PAIR.format(query="q", text="d")


def test_what_shapes_the_artifact_is_in_its_digest(causal_embedder_folder: Path, tmp_path: Path) -> None:
    """Another length, another pooling, another tokenizer: another artifact."""
    memo = DigestMemo(tmp_path / "digests")

    def digest(folder: Path, max_tokens: int | None = None) -> str:
        source = open_causal(folder)
        assert source is not None
        return CausalArtifact.plan(source, max_tokens, memo).digest

    folder = shutil.copytree(causal_embedder_folder, tmp_path / "causal-embedder")
    seen = {digest(causal_embedder_folder), digest(folder, 100)}
    assert digest(folder) in seen
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    seen.add(digest(folder))
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(f"{text}\n")
    seen.add(digest(folder))
    assert len(seen) == 4


def test_goldens_come_along_where_they_fit(causal_reranker_folder: Path, tmp_path: Path) -> None:
    """Pairs that the artifact would cut are left out; the others are replayed at load, as transformers answered."""
    folder = shutil.copytree(causal_reranker_folder, tmp_path / "reranker")
    weights = f"sha256:{DigestMemo(tmp_path / 'digests').sha256(folder / 'model.safetensors')}"
    odds = probabilities(folder, "q", ["a", LONG], max_tokens=512)
    logits = np.log(odds / (1 - odds))
    cases = [
        Case({"query": "q", "text": text}, {"logits": Tensor.of(logits[place : place + 1])})
        for place, text in enumerate(["a", LONG])
    ]
    (folder / "goldens").mkdir()
    save_golden(folder / "goldens" / "own.json", Golden(RecordedBy("transformers", "5", weights), tuple(cases)))
    artifact = Artifact.open(graphs.build(folder, tmp_path / "cache", kind="rerank"))
    (golden,) = load_goldens(artifact.goldens)
    assert [case.inputs["text"] for case in golden.cases] == ["a"]
    engine = open_artifact(artifact.path, EngineSettings(tune=False))
    asyncio.run(engine.load())
    assert engine.proof.status == "raw"
    asyncio.run(engine.close(1.0))
