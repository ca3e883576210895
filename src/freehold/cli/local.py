"""Models opened in this process, for one command: which a word means, where they run, their loaded engines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from freehold.cli.references import local_store
from freehold.cli.sources import Place, open_model
from freehold.cli.state import State
from freehold.config import ModelConfig, absolute, home, load, parse
from freehold.config.locate import candidates
from freehold.engine.base import Engine
from freehold.engine.batcher import Batch
from freehold.errors import FreeholdError
from freehold.machine import check_onnxruntime, read_cpu, runtime_versions


def models_meant(ref: str | None, environ: Mapping[str, str], cwd: Path) -> tuple[ModelConfig, ...]:
    """The models of `ref`: one for a model's path, all for a configuration, and one for an id of this folder's.

    Raises what `config.load` raises, and `models_none` for a configuration without models.
    """
    named = _of_this_folder(ref, environ, cwd) if ref is not None else None
    models = (named,) if named is not None else load(ref, environ, cwd).models
    if not models:
        raise FreeholdError("models_none")
    return models


def model_meant(ref: str, environ: Mapping[str, str], cwd: Path) -> ModelConfig:
    """The one model of `ref`. Raises as `models_meant`, and `model_choice_needed` where there are several."""
    models = models_meant(ref, environ, cwd)
    if len(models) > 1:
        raise FreeholdError("model_choice_needed", ref=ref, ids=", ".join(model.id for model in models))
    return models[0]


def _of_this_folder(ref: str, environ: Mapping[str, str], cwd: Path) -> ModelConfig | None:
    """The model of this folder's configuration whose id is `ref`; a path that exists goes first."""
    source = absolute(parse(ref), cwd)
    if source.kind != "path" or any(path.exists() for path in candidates(Path(source.name))):
        return None
    try:
        return load(None, environ, cwd).model(ref)
    except FreeholdError as error:
        if error.code == "config_no_model":
            return None
        raise


@contextmanager
def local_place(environ: Mapping[str, str], *, tune: bool) -> Iterator[Place]:
    """This machine. State goes to FREEHOLD_HOME, or nowhere when that cannot be written. Raises `two_onnxruntimes`."""
    check_onnxruntime(runtime_versions())
    cpu = read_cpu()
    with State.of(home(environ)) as state:
        cache = state.writable / "cache"
        store = local_store(environ, cache)
        yield Place(cpu, cpu.usable_cores, cache / "graphs", store, cache if state.kept else None, tune)


@asynccontextmanager
async def loaded(
    model: ModelConfig, place: Place, on_batch: Callable[[Batch], None] | None = None
) -> AsyncIterator[Engine]:
    """The loaded engine of `model` on threads of this process, whatever `workers` says. Raises FreeholdError."""
    alone = msgspec.structs.replace(model, workers=0)
    engine = await asyncio.to_thread(open_model, alone, place, on_batch)
    try:
        await engine.load()
        yield engine
    finally:
        await engine.close(0.0)
