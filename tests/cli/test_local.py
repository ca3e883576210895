"""Which models a word means, and their engines in this process."""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest

from freehold.cli.local import loaded, local_place, model_meant, models_meant
from freehold.engine.base import Engine, TensorRequest
from freehold.errors import FreeholdError


def ids(ref: str | None, folder: Path, **environ: str) -> list[str]:
    return [model.id for model in models_meant(ref, environ, folder)]


def test_a_word_is_a_path_a_configuration_or_an_id(mlp: Path, folder: Path) -> None:
    """A path that exists goes before an id; nothing at all means what `serve` would take."""
    (folder / "freehold.yaml").write_text(f"models:\n  - {{id: a, source: {mlp}}}\n  - {{id: b, source: {mlp}}}\n")
    assert ids("mlp.onnx", folder) == ["mlp"]
    assert ids("mlp", folder) == ["mlp"]
    assert ids("freehold.yaml", folder) == ["a", "b"]
    assert ids("b", folder) == ["b"]
    assert ids(None, folder) == ["a", "b"]


def test_the_environment_may_name_the_model(mlp: Path, folder: Path) -> None:
    """As for `serve`: MODEL_PATH, and MODEL_ID as its id."""
    assert ids(None, folder, MODEL_PATH=mlp.name) == ["mlp"]
    assert ids("named", folder, MODEL_PATH=mlp.name, MODEL_ID="named") == ["named"]


def test_one_model_is_wanted_where_there_are_several(mlp: Path, folder: Path) -> None:
    """The error names their ids."""
    (folder / "freehold.yaml").write_text(f"models:\n  - {{id: a, source: {mlp}}}\n  - {{id: b, source: {mlp}}}\n")
    with pytest.raises(FreeholdError, match="model_choice_needed") as several:
        model_meant("freehold.yaml", {}, folder)
    assert several.value.details["ids"] == "a, b"
    assert model_meant("a", {}, folder).id == "a"


def test_a_configuration_without_models_is_an_error(folder: Path) -> None:
    """There is nothing to do."""
    (folder / "freehold.yaml").write_text("models: []\n")
    with pytest.raises(FreeholdError, match="models_none"):
        models_meant(None, {}, folder)


def test_a_word_that_is_nothing_is_a_path(mlp: Path, folder: Path) -> None:
    """That there is nothing at it is said when it is opened; a broken configuration says so itself."""
    assert model_meant("nothing", {}, folder).source == str(folder / "nothing")
    (folder / "freehold.yaml").write_text(f"models: [{{id: a, source: {mlp}}}]\n")
    assert model_meant("nothing", {}, folder).source == str(folder / "nothing")
    (folder / "freehold.yaml").write_text("models: 7\n")
    with pytest.raises(FreeholdError, match="config_value_invalid"):
        model_meant("nothing", {}, folder)


def test_an_engine_is_closed_when_its_block_ends(mlp: Path, folder: Path) -> None:
    """Ready inside on threads of this process, whatever `workers` says, and not afterwards."""
    (folder / "freehold.yaml").write_text(f"models:\n  - {{id: a, source: {mlp}, workers: 2}}\n")
    model = model_meant("a", {}, folder)
    assert model.workers == 2

    async def use() -> Engine:
        with local_place(os.environ, tune=False) as place:
            async with loaded(model, place) as engine:
                assert engine.ready()
                answer = engine.answer(TensorRequest({"x": np.zeros((2, 16), np.float32)}))
                assert answer.outputs["y"].shape == (2, 4)
            return engine

    assert not asyncio.run(use()).ready()


def test_state_lies_under_freehold_home(folder: Path) -> None:
    """Graphs and tuning in its cache; nowhere when it cannot be written."""
    with local_place(os.environ, tune=True) as place:
        assert place.state == folder / "home" / "cache"
        assert place.graphs == folder / "home" / "cache" / "graphs"
        assert place.tune
        assert place.cores >= 1
    (folder / "file").touch()
    with local_place({"FREEHOLD_HOME": str(folder / "file")}, tune=False) as place:
        assert place.state is None
        assert place.graphs.parent.parent.is_dir()
