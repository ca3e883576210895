"""From a model of the configuration to an engine."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.artifact import Artifact
from freehold.cli.sources import Place, open_model, prepare
from freehold.config import ModelConfig
from freehold.engine.base import EmbedRequest, TensorRequest
from freehold.engine.encoder import Encoder
from freehold.engine.pool import WorkerPool
from freehold.engine.tensor import TensorEngine
from freehold.errors import FreeholdError
from freehold.machine import read_cpu
from freehold.store import Store
from freehold.store.folders import Folders


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """This machine, with its caches in the test's folder."""
    return Place(read_cpu(), 1, tmp_path / "graphs", Store(tmp_path / "store"), tmp_path, tune=False)


def model(source: Path, **fields: Any) -> ModelConfig:
    return ModelConfig(id="m", source=str(source), **fields)


def test_a_graph_and_an_artifact_are_opened_as_they_are(mlp: Path, tiny_artifact: Path, place: Place) -> None:
    """Nothing is written for them."""
    assert prepare(mlp, place.graphs) == mlp
    assert prepare(tiny_artifact, place.graphs) == tiny_artifact
    assert not place.graphs.exists()
    assert isinstance(open_model(model(mlp), place), TensorEngine)
    assert isinstance(open_model(model(tiny_artifact), place), Encoder)


def test_a_model_folder_becomes_an_artifact_once(tiny_bert_folder: Path, place: Place) -> None:
    """Under the place's graphs; the second time it is found there."""
    written = prepare(tiny_bert_folder, place.graphs)
    assert written.parent == place.graphs
    assert Artifact.open(written).manifest.kind == "embed"
    assert prepare(tiny_bert_folder, place.graphs) == written


def test_what_is_opened_is_kept_from_gc(tiny_bert_folder: Path, tiny_artifact: Path, place: Place) -> None:
    """A written graph and an artifact of the store, for as long as this process has them."""
    stored = place.store.add(tiny_artifact, "tiny")
    open_model(model(tiny_bert_folder), place)
    assert open_model(ModelConfig(id="m", source=stored.ref), place).digest == stored.digest
    opened = [*place.graphs.glob("?" * 64), place.store.path_of(stored)]
    another = Folders(place.store.folders.root, place.store.blobs)
    assert [another.remove(path) for path in opened] == [False, False]
    place.store.close()
    assert [another.remove(path, plan=True) for path in opened] == [True, True]


def test_the_kind_says_what_a_decoder_is_for(causal_reranker_folder: Path, place: Place) -> None:
    """The files of this one do not."""
    written = prepare(causal_reranker_folder, place.graphs, kind="rerank")
    assert Artifact.open(written).manifest.kind == "rerank"
    assert Artifact.open(prepare(causal_reranker_folder, place.graphs)).manifest.kind == "generate"
    engine = open_model(model(causal_reranker_folder, kind="rerank"), place)
    assert (engine.manifest.kind, isinstance(engine, Encoder)) == ("rerank", True)


def test_a_folder_that_is_no_model_says_what_it_holds(tmp_path: Path) -> None:
    """The first names that lie in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FreeholdError, match="folder_not_a_model") as empty:
        prepare(folder, tmp_path)
    assert "It has: nothing." in empty.value.fix
    (folder / "notes.txt").touch()
    with pytest.raises(FreeholdError) as told:
        prepare(folder, tmp_path)
    assert "It has: notes.txt." in told.value.fix


def test_settings_of_the_model_reach_its_engine(tiny_bert_folder: Path, mlp: Path, place: Place) -> None:
    """Where texts are cut, which shape is expected, how many processes run it."""
    assert open_model(model(tiny_bert_folder, context_length=16), place).max_tokens == 16
    assert open_model(model(tiny_bert_folder), place).max_tokens == 64
    assert isinstance(open_model(model(mlp, workers=2), place), WorkerPool)
    with pytest.raises(FreeholdError, match="input_shape_mismatch"):
        asyncio.run(open_model(model(mlp, input_shape=(1, 17)), place).load())


def test_a_model_that_generates_has_one_process(tiny_decoder: Callable[..., Path], place: Place) -> None:
    """Workers are for other kinds, and the error says what to set instead."""
    with pytest.raises(FreeholdError, match="workers_unsupported") as refused:
        open_model(model(tiny_decoder(), workers=2), place)
    assert "slots" in refused.value.fix


def test_without_a_state_folder_an_engine_still_loads(tiny_artifact: Path, place: Place) -> None:
    """Nothing is kept, and it answers."""

    async def answered() -> tuple[int, ...]:
        engine = open_model(model(tiny_artifact), replace(place, state=None))
        await engine.load()
        try:
            return engine.answer(EmbedRequest(["a"])).outputs["embeddings"].shape
        finally:
            await engine.close(0.0)

    assert asyncio.run(answered()) == (1, 32)


def test_finished_batches_are_told(mlp: Path, place: Place) -> None:
    """The callback that metrics hang on sees each batch."""
    seen: list[Any] = []
    request = TensorRequest({"x": np.zeros((3, 16), np.float32)})

    async def infer() -> None:
        engine = open_model(model(mlp), place, seen.append)
        await engine.load()
        await engine.infer(request, asyncio.get_running_loop().time() + 60)
        await engine.close(1.0)

    asyncio.run(infer())
    assert sum(batch.cost for batch in seen) == 3
