"""Packed encoders: every text gets what it gets alone, however it was batched."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt import graphs
from freehold.artifact import (
    Artifact,
    Case,
    Golden,
    RecordedBy,
    Tensor,
    load_goldens,
    save_golden,
    write_manifest,
)
from freehold.engine.base import EmbedRequest, Request, RerankRequest
from freehold.engine.encoder import Encoder
from freehold.engine.opening import open_artifact
from freehold.engine.providers import runtime_version
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

FAR = 1e12
PLAIN = EngineSettings(tune=False, cores=2)


@pytest.fixture(scope="module")
def embedder(tiny_bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact written from the tiny BERT."""
    return graphs.build(tiny_bert_folder, tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="module")
def reranker(tiny_reranker_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact written from the tiny cross-encoder."""
    return graphs.build(tiny_reranker_folder, tmp_path_factory.mktemp("reranker"))


async def served(engine: Any, requests: list[Request]) -> list[Any]:
    await engine.load()
    try:
        return await asyncio.gather(*(engine.infer(one, FAR) for one in requests), return_exceptions=True)
    finally:
        await engine.close(5.0)


def test_packed_neighbours_change_nothing(embedder: Path) -> None:
    """Sixty texts of many lengths, sent at once, equal the same texts alone within 1e-5, in order."""
    texts = [" ".join(["word", "is", "held"] * (n % 17)) for n in range(60)]
    engine = open_artifact(embedder, PLAIN)
    answers = asyncio.run(served(engine, [EmbedRequest([text]) for text in texts]))
    alone = open_artifact(embedder, PLAIN)
    asyncio.run(served(alone, []))
    for text, answer in zip(texts, answers, strict=True):
        want = alone.answer(EmbedRequest([text])).outputs["embeddings"]
        np.testing.assert_allclose(answer.outputs["embeddings"], want, atol=1e-5)


def test_one_request_of_many_texts_keeps_their_order(embedder: Path) -> None:
    """Rows come back in the order of the texts, and tokens are counted over all."""
    texts = ["a", "word is held", "", "is " * 40]
    engine = open_artifact(embedder, PLAIN)
    together, *single = asyncio.run(served(engine, [EmbedRequest(texts), *(EmbedRequest([text]) for text in texts)]))
    np.testing.assert_allclose(
        together.outputs["embeddings"], np.concatenate([one.outputs["embeddings"] for one in single]), atol=1e-5
    )
    assert together.tokens == sum(one.tokens for one in single)


def test_long_texts_are_cut_and_counted(embedder: Path) -> None:
    """A text beyond the limit has exactly `max_tokens` tokens and is counted as cut; the others are not."""
    engine = open_artifact(embedder, replace(PLAIN, max_tokens=16))
    assert isinstance(engine, Encoder)
    (answer,) = asyncio.run(served(engine, [EmbedRequest(["word " * 5000, "word"])]))
    assert answer.truncated == 1
    assert answer.tokens == 16 + len(engine.tokenizer.encode("word").ids)
    assert engine.max_tokens == 16


def test_the_limit_never_exceeds_the_positions(embedder: Path) -> None:
    """A context_length beyond what the graph can address is the graph's."""
    positions = Artifact.open(embedder).manifest.limits.positions
    assert open_artifact(embedder, replace(PLAIN, max_tokens=10 * positions)).max_tokens == positions


def test_ready_token_ids_are_taken_as_they_are(embedder: Path) -> None:
    """Ids of the model's own tokenizer give the vector of their text; foreign ids are refused by name."""
    engine = open_artifact(embedder, PLAIN)
    assert isinstance(engine, Encoder)
    asyncio.run(served(engine, []))
    ids = engine.tokenizer.encode("word is held").ids
    np.testing.assert_array_equal(
        engine.answer(EmbedRequest([ids])).outputs["embeddings"],
        engine.answer(EmbedRequest(["word is held"])).outputs["embeddings"],
    )
    with pytest.raises(FreeholdError, match="token_out_of_range"):
        engine.answer(EmbedRequest([[2, 10**7]]))
    with pytest.raises(FreeholdError, match="input_empty"):
        engine.answer(EmbedRequest([[]]))


def test_an_empty_list_is_refused_and_a_blank_text_is_not(embedder: Path) -> None:
    """Dify sends blank chunks; nobody means an empty list."""
    engine = open_artifact(embedder, PLAIN)
    empty, blank = asyncio.run(served(engine, [EmbedRequest([]), EmbedRequest(["", "  \n"])]))
    assert isinstance(empty, FreeholdError)
    assert np.isfinite(blank.outputs["embeddings"]).all()


def test_a_text_of_a_hundred_thousand_characters_is_answered(embedder: Path) -> None:
    """It is tokenized off the loop, cut, and answered."""
    engine = open_artifact(embedder, PLAIN)
    (answer,) = asyncio.run(served(engine, [EmbedRequest(["word " * 20_000])]))
    assert answer.truncated == 1


def test_pairs_are_scored_one_logit_each(reranker: Path) -> None:
    """A query against texts: [n, 1], equal to each pair alone."""
    engine = open_artifact(reranker, PLAIN)
    texts = ["word", "held " * 30, "is"]
    answer, *single = asyncio.run(
        served(engine, [RerankRequest("word", texts), *(RerankRequest("word", [text]) for text in texts)])
    )
    assert answer.outputs["logits"].shape == (3, 1)
    np.testing.assert_allclose(
        answer.outputs["logits"], np.concatenate([one.outputs["logits"] for one in single]), atol=1e-5
    )


def test_closed_engines_say_that_they_leave(embedder: Path) -> None:
    """Before load and after close, infer raises shutting_down."""
    engine = open_artifact(embedder, PLAIN)
    asyncio.run(served(engine, []))
    assert not engine.ready()
    with pytest.raises(FreeholdError, match="shutting_down"):
        asyncio.run(engine.infer(EmbedRequest(["word"]), FAR))


def test_a_broken_tokenizer_is_named(embedder: Path, tmp_path: Path) -> None:
    """The error names the file."""
    copy = copied(embedder, tmp_path)
    (copy / "tokenizer.json").write_text("{}")
    write_manifest(copy, Artifact.open(embedder).manifest)
    with pytest.raises(FreeholdError, match="tokenizer_unreadable"):
        asyncio.run(served(open_artifact(copy, PLAIN), []))


def copied(source: Path, target: Path) -> Path:
    for file in source.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    return target


def test_minilm_replays_the_goldens_of_transformers(minilm_folder: Path, tmp_path: Path) -> None:
    """The real weights, the packaged goldens, no torch: proof `raw`."""
    engine = open_artifact(graphs.build(minilm_folder, tmp_path), PLAIN)
    asyncio.run(served(engine, []))
    assert engine.proof.status == "raw"
    assert engine.proof.replayed == engine.proof.cases > 0
    assert engine.proof.recorded_by.startswith("transformers")


def test_goldens_are_left_to_a_caller_who_replays_them(minilm_folder: Path, tmp_path: Path) -> None:
    """Nothing is claimed then."""
    engine = open_artifact(graphs.build(minilm_folder, tmp_path), replace(PLAIN, prove=False))
    asyncio.run(served(engine, []))
    assert engine.proof.status == "none"


@pytest.mark.parametrize("context_length", [8, 512])
def test_the_proof_does_not_depend_on_the_configured_length(
    minilm_folder: Path, tmp_path: Path, context_length: int
) -> None:
    """Goldens are replayed at the length they were recorded at; requests are cut where the configuration says."""
    engine = open_artifact(graphs.build(minilm_folder, tmp_path), replace(PLAIN, max_tokens=context_length))
    (answer,) = asyncio.run(served(engine, [EmbedRequest(["word " * 2000])]))
    assert engine.proof.status == "raw"
    assert answer.tokens == context_length


def test_two_permuted_weights_fail_the_proof(minilm_folder: Path, tmp_path: Path) -> None:
    """Only the replay can see it: the files agree with their manifest."""
    artifact = Artifact.open(graphs.build(minilm_folder, tmp_path / "graphs"))
    copy = copied(artifact.path, tmp_path / "copy")
    data = np.memmap(copy / "model.onnx.data", np.float32, "r+")
    place = 3 * len(data) // 4  # in the layers, behind the vocabulary
    data[place : place + 4096] = data[place : place + 4096][::-1].copy()
    data.flush()
    write_manifest(copy, artifact.manifest)
    engine = open_artifact(copy, PLAIN)
    asyncio.run(served(engine, []))
    assert engine.proof.status == "failed"
    failure = engine.proof.failure
    assert failure is not None
    assert failure.details["output"] == "embeddings"
    assert failure.details["index"] != []


@pytest.mark.parametrize("flags", [True, False])
def test_auto_takes_bf16_only_with_the_hardware(
    embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: bool
) -> None:
    """With goldens that hold and a machine that has it, auto measures both and keeps the faster; else it stays fp32."""
    copy = with_own_goldens(embedder, tmp_path)
    engine = open_artifact(copy, replace(PLAIN, precision="auto", bf16_hardware=flags, tune=True))
    asyncio.run(served(engine, []))
    assert engine.precision in ({"fp32", "bf16"} if flags else {"fp32"})
    assert engine.proof.status == "self"


def test_a_tuning_is_kept_for_the_runtime_that_computes(embedder: Path, tmp_path: Path) -> None:
    """A tuning of OpenVINO is not taken for one of ONNX Runtime, nor kept when OpenVINO changes its version."""
    engine = open_artifact(embedder, replace(PLAIN, tune=True, cores=1, state=tmp_path, cpu_key="here"))
    assert isinstance(engine, Encoder)
    asyncio.run(served(engine, []))
    engine._tune("openvino")
    parts = [("here", "1", *runtime_version(device), engine.digest, "fp32") for device in ("cpu", "openvino")]
    names = {hashlib.sha256("|".join(each).encode()).hexdigest()[:32] for each in parts}
    assert {path.stem for path in (tmp_path / "tuning").iterdir()} == names


def test_auto_without_goldens_stays_fp32(embedder: Path) -> None:
    """Nothing could show that bf16 is safe for this model."""
    engine = open_artifact(embedder, replace(PLAIN, precision="auto", bf16_hardware=True))
    asyncio.run(served(engine, []))
    assert engine.precision == "fp32"


def with_own_goldens(artifact: Path, target: Path) -> Path:
    copy = copied(artifact, target)
    engine = open_artifact(copy, PLAIN)
    asyncio.run(served(engine, []))
    manifest = Artifact.open(copy).manifest
    from_us = RecordedBy("freehold", "test", manifest.made_by.source)
    texts = ["word", "is held", "word " * 30]
    rows = [engine.answer(EmbedRequest([text])).outputs["embeddings"][0] for text in texts]
    cases = tuple(Case({"text": text}, {"embeddings": Tensor.of(row)}) for text, row in zip(texts, rows, strict=True))
    save_golden(copy / "goldens" / "own.json", Golden(from_us, cases))
    write_manifest(copy, manifest)
    return copy


def test_the_digest_names_the_artifact(embedder: Path) -> None:
    """It is the sha256 of the manifest."""
    raw = (embedder / "manifest.json").read_bytes()
    assert open_artifact(embedder, PLAIN).digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert load_goldens(embedder / "goldens") == []
