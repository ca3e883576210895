"""What transformers answers for a causal folder is what its artifact proves itself with."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.adapt.goldens import record_causal
from freehold.adapt.goldens.record import main, record
from freehold.adapt.goldens.texts import QUERY, TEXTS
from freehold.adapt.graphs import build
from freehold.artifact import load_goldens, save_golden
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings

Make = Callable[..., Path]


def proof(folder: Path, cache: Path, kind: str) -> tuple[str, int]:
    """Status and replayed cases of an engine over the folder's artifact."""
    engine = open_artifact(build(folder, cache, kind=kind), EngineSettings(tune=False))
    asyncio.run(engine.load())
    asyncio.run(engine.close(1.0))
    return engine.proof.status, engine.proof.replayed


@pytest.fixture
def folders(
    causal_embedder_folder: Path, causal_reranker_folder: Path, tiny_decoder: Make, tmp_path: Path
) -> dict[str, Path]:
    """One of each form, to write into, with room for every text."""
    found = {
        "embeds": shutil.copytree(causal_embedder_folder, tmp_path / "embeds"),
        "reranks by tokens": shutil.copytree(causal_reranker_folder, tmp_path / "reranks"),
        "reranks by a head": tiny_decoder("Qwen2ForSequenceClassification", num_labels=1),
        "classifies": tiny_decoder("LlamaForSequenceClassification", num_labels=3),
    }
    for folder in found.values():
        (folder / "sentence_bert_config.json").unlink(missing_ok=True)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 2048}))
    return found


@pytest.mark.parametrize("form", ["embeds", "reranks by tokens", "reranks by a head", "classifies"])
def test_what_is_recorded_proves_the_artifact(form: str, folders: dict[str, Path], tmp_path: Path) -> None:
    """Every text, embedded, scored and classified."""
    kind = "rerank" if form == "reranks by tokens" else "auto"
    golden = record(folders[form], kind)
    texts = [text for text in TEXTS if text or form != "classifies"]  # it adds no token to an empty text
    assert [case.inputs["text"] for case in golden.cases] == texts
    assert all(case.inputs.get("query", QUERY) == QUERY for case in golden.cases)
    save_golden(folders[form] / "goldens" / "raw.json", golden)
    assert proof(folders[form], tmp_path / "cache", kind) == ("raw", len(texts))


def test_texts_that_would_be_cut_stay_out(causal_reranker_folder: Path, tmp_path: Path) -> None:
    """Beside the template there is little room among 512 positions; the kind is said on the command line."""
    assert main([str(causal_reranker_folder), "--kind", "rerank", "--output", str(tmp_path / "raw.json")]) == 0
    (golden,) = load_goldens(tmp_path)
    assert 0 < len(golden.cases) < len(TEXTS)
    assert record_causal.QUERY in {case.inputs["query"] for case in golden.cases}
