"""The Hugging Face door: families that no graph writer knows, each exported, proven, and equal to transformers."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from freehold.adapt import from_huggingface
from freehold.adapt.conversion import Conversion
from freehold.artifact import Artifact, load_goldens, write_manifest
from freehold.engine.base import Answer, EmbedRequest, RerankRequest
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.verify import request_of

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SETTINGS = EngineSettings(tune=False, threads=1)
SHAPE = {
    "num_hidden_layers": 1,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
DISENTANGLED = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
EMBEDDERS: dict[str, dict[str, Any]] = {
    "AlbertModel": {**SHAPE, "embedding_size": 16},
    "ElectraForPreTraining": {**SHAPE, "embedding_size": 16},
    "DebertaV2Model": {**SHAPE, **DISENTANGLED},
    "MPNetForMaskedLM": {**SHAPE, "tokenizer": "unigram", "max_position_embeddings": 514, "pad_token_id": 1},
    "ModernBertModel": {
        **SHAPE,
        "num_hidden_layers": 2,
        "local_attention": 8,
        "global_attn_every_n_layers": 2,
        "pad_token_id": 0,
    },
    "NomicBertModel": SHAPE,
}
# Seconds of export each, and nothing in them that the others lack: relative positions, positions behind the padding's,
# windows.
LIKE_OTHERS = {"AlbertModel", "ElectraForPreTraining", "NomicBertModel"}
T5 = {"tokenizer": "unigram", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4, "pad_token_id": 1}
IMAGES: dict[str, dict[str, Any]] = {
    "ConvNextForImageClassification": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "image_size": 32},
    "ResNetForImageClassification": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
}
TEXTS = ["How do I reset my password?", "七天内可以无理由退货。", "a"]

Raw = Callable[..., Path]
Export = Callable[..., Path]


def ask(artifact: Path, *requests: Any) -> tuple[str, list[Answer]]:
    """The status of the proof, and what the engine answers to requests that wait together."""

    async def answers() -> tuple[str, list[Answer]]:
        engine = open_artifact(artifact, SETTINGS)
        await engine.load()
        limit = asyncio.get_running_loop().time() + 60
        try:
            return engine.proof.status, list(await asyncio.gather(*(engine.infer(each, limit) for each in requests)))
        finally:
            await engine.close(1)

    return asyncio.run(answers())


def widest_gap(artifact: Path) -> float:
    """By how much our engine leaves what transformers answered, over all goldens."""
    engine = open_artifact(artifact, SETTINGS)

    async def replayed() -> float:
        await engine.load()
        gaps = []
        for case in load_goldens(artifact / "goldens")[0].cases:
            answer = engine.answer(request_of(case, engine.manifest)).outputs
            for name, tensor in case.outputs.items():
                seen = answer[name] if engine.manifest.kind == "tensor" else answer[name][0]
                gaps.append(float(np.abs(seen - tensor.array()).max()))
        await engine.close(1)
        return max(gaps)

    return asyncio.run(replayed())


@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=[pytest.mark.soak] if name in LIKE_OTHERS else []) for name in EMBEDDERS]
)
def test_an_encoder_of_another_family_embeds(architecture: str, raw_folder: Raw, exported: Export) -> None:
    """Recorded by transformers, alone and padded, and answered by our engine within 1e-5; the mean of its states."""
    artifact = exported(raw_folder(architecture, **EMBEDDERS[architecture]))
    manifest = Artifact.open(artifact).manifest
    assert (manifest.kind, manifest.layout, manifest.pooling, manifest.normalized) == ("embed", "padded", "mean", False)
    assert manifest.limits.max_tokens == manifest.limits.positions == 512
    assert manifest.outputs[0].shape == (-1, manifest.dimensions) == (-1, 32)
    golden = load_goldens(artifact / "goldens")[0]
    assert golden.recorded_by.framework == "transformers"
    assert {case.label for case in golden.cases} == {"short", "long", "en", "zh", "padded"}
    assert widest_gap(artifact) < 1e-5
    status, together = ask(artifact, EmbedRequest(TEXTS))
    assert status == "raw"
    _, alone = ask(artifact, *(EmbedRequest([text]) for text in TEXTS))
    rows = np.concatenate([one.outputs["embeddings"] for one in alone])
    np.testing.assert_allclose(together[0].outputs["embeddings"], rows, atol=1e-5)


def test_pooling_and_what_follows_are_inside_the_graph(raw_folder: Raw, exported: Export) -> None:
    """As sentence-transformers' files say: T5's encoder, the mean, a dense layer, length 1; texts cut there."""
    folder = raw_folder("T5ForConditionalGeneration", **T5)
    modules = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3_Normalize": "Normalize"}
    listed = [{"path": path, "type": f"sentence_transformers.models.{name}"} for path, name in modules.items()]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "2_Dense").mkdir()
    dense = {"in_features": 32, "out_features": 8, "bias": False, "activation_function": "torch.nn.Identity"}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(dense))
    weight = np.random.default_rng(0).standard_normal((8, 32), np.float32)
    save_file({"linear.weight": weight}, folder / "2_Dense" / "model.safetensors")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 40}))
    artifact = exported(folder)
    manifest = Artifact.open(artifact).manifest
    assert (manifest.kind, manifest.dimensions, manifest.normalized, manifest.limits.max_tokens) == (
        "embed",
        8,
        True,
        40,
    )
    assert widest_gap(artifact) < 1e-5
    model = transformers.T5EncoderModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
    with torch.inference_mode():
        states = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state[0]
    expected = weight @ states.mean(dim=0).numpy()
    _, (answer,) = ask(artifact, EmbedRequest([TEXTS[0]]))
    np.testing.assert_allclose(answer.outputs["embeddings"][0], expected / np.linalg.norm(expected), atol=1e-5)


def test_an_encoder_without_pooling_gives_states(raw_folder: Raw, exported: Export) -> None:
    """T5's encoder as a tensor model with free dimensions `batch` and `tokens`; each shape class is recorded."""
    artifact = exported(raw_folder("T5EncoderModel", **T5))
    manifest = Artifact.open(artifact).manifest
    assert (manifest.kind, manifest.layout) == ("tensor", "tensor")
    assert [(spec.name, spec.shape) for spec in manifest.inputs] == [
        ("input_ids", (-1, -1)),
        ("attention_mask", (-1, -1)),
    ]
    assert manifest.outputs[0].name == "last_hidden_state"
    assert (artifact / "tokenizer.json").is_file()
    assert widest_gap(artifact) < 1e-5


@pytest.mark.soak
def test_a_reader_of_pairs_reranks(raw_folder: Raw, exported: Export) -> None:
    """A decoder's classification head with one label finds the last token by the padding's id, whatever we pad with."""
    folder = raw_folder(
        "GPT2ForSequenceClassification", n_embd=32, n_layer=1, n_head=4, n_positions=512, num_labels=1, pad_token_id=3
    )
    artifact = exported(folder)
    manifest = Artifact.open(artifact).manifest
    assert (manifest.kind, manifest.labels) == ("rerank", ())
    assert widest_gap(artifact) < 1e-5
    status, (answer,) = ask(artifact, RerankRequest("which?", TEXTS))
    assert status == "raw"
    _, alone = ask(artifact, *(RerankRequest("which?", [text]) for text in TEXTS))
    rows = np.concatenate([one.outputs["logits"] for one in alone])
    np.testing.assert_allclose(answer.outputs["logits"], rows, atol=1e-5)


@pytest.mark.parametrize("architecture", IMAGES)
def test_an_image_classifier_is_a_tensor_model(architecture: str, raw_folder: Raw, exported: Export) -> None:
    """Its size is the config's or the preprocessor's, whose file comes along; batches of 1 and 3 are recorded."""
    folder = raw_folder(architecture, tokenizer="", num_labels=3, **IMAGES[architecture])
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 32}, "crop_pct": 0.875}))
    artifact = exported(folder)
    manifest = Artifact.open(artifact).manifest
    assert (manifest.kind, manifest.inputs[0].name, manifest.inputs[0].shape) == (
        "tensor",
        "pixel_values",
        (-1, 3, 32, 32),
    )
    assert manifest.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert json.loads((artifact / "preprocessor_config.json").read_bytes())["crop_pct"] == 0.875
    assert [case.label for case in load_goldens(artifact / "goldens")[0].cases] == ["batch 1", "batch 3"]
    assert widest_gap(artifact) < 1e-5


def test_a_child_converts_and_the_artifact_says_how(raw_folder: Raw, tmp_path: Path) -> None:
    """The whole door, with a tokenizer that only its vocabulary is there of, and weights in a pickle."""
    folder = raw_folder("DistilBertModel", dim=32, n_layers=1, n_heads=4, hidden_dim=64, initializer_range=0.2)
    tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
    vocabulary = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    settings = {"tokenizer_class": "DistilBertTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.save(
        {k: torch.tensor(v) for k, v in load_file(folder / "model.safetensors").items()}, folder / "pytorch_model.bin"
    )
    (folder / "model.safetensors").unlink()
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    steps: list[str] = []
    asked = Conversion(folder, "little", tmp_path / "work", opset=18)
    manifest = write_manifest(artifact, from_huggingface.write(asked, artifact, steps.append)).manifest
    assert steps
    assert manifest.name == "little"
    assert manifest.made_with["opset"] == "18"
    assert manifest.made_with["transformers"] == transformers.__version__
    assert manifest.ancestors[0].digest == manifest.made_by.source
    assert (artifact / "model.onnx.data").is_file()
    assert b"/children/" not in (artifact / "model.onnx").read_bytes()
    status, _ = ask(artifact)
    assert status == "raw"


def test_minilm_through_the_exporter_is_what_our_writer_makes(minilm_folder: Path, exported: Export) -> None:
    """What benchmarks compare: the same model through the other door, within 1e-5 of the packaged goldens too."""
    artifact = exported(minilm_folder)
    assert Artifact.open(artifact).manifest.normalized
    assert widest_gap(artifact) < 1e-5
