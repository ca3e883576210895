"""From a model of the configuration to the engine that runs it on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freehold.adapt import graphs
from freehold.artifact import Artifact, TensorSpec
from freehold.cli.references import located
from freehold.cli.signed import check_signed, pinned
from freehold.config import ModelConfig
from freehold.config.shapes import DeclaredTensor
from freehold.engine.base import Engine
from freehold.engine.batcher import Batch
from freehold.engine.generation import Step
from freehold.engine.opening import open_engine
from freehold.engine.pool import WorkerPool
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError
from freehold.machine import Cpu, cpu_key
from freehold.store import Store

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True)
class Place:
    """The machine that models are opened on, the store, and the folders that state and written graphs go to.

    `state` is None when nothing can be kept; graphs then go to a temporary folder of this process. `prove`: engines
    replay their goldens when they are loaded.
    """

    cpu: Cpu
    cores: int
    graphs: Path
    store: Store
    state: Path | None = None
    tune: bool = True
    prove: bool = True


def open_model(
    model: ModelConfig,
    place: Place,
    on_batch: Callable[[Batch], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Engine:
    """The unloaded engine of `model`; blocks while a graph is written. Raises FreeholdError.

    `on_batch` hears of the batches of an engine, `on_step` of the steps of one that generates text.
    """
    settings = EngineSettings(
        device=model.device,
        precision=model.precision,
        max_tokens=model.context_length or 0,
        input_shape=model.input_shape,
        inputs=_specs(model.inputs),
        outputs=_specs(model.outputs),
        cores=place.cores,
        cpu_key=cpu_key(place.cpu),
        bf16_hardware=bool(place.cpu.flags & BF16_FLAGS),
        tune=place.tune,
        prove=place.prove,
        state=place.state,
        on_batch=on_batch,
        slots=model.generation.slots,
        prefill_slice_ms=model.generation.prefill_slice_ms,
        kv_mb=model.generation.kv_mb,
        prefix_cache_mb=model.generation.prefix_cache_mb,
        prompt_lookup=model.generation.prompt_lookup,
        max_output_tokens=model.max_output_tokens or 0,
        on_step=on_step,
    )
    model = pinned(model, place.store)  # between two looks a tag may move
    check_signed(model, place.store)
    path = _held(model, place)
    if not model.workers:
        return open_engine(path, model.id, settings)
    if path.is_dir() and Artifact.open(path).manifest.kind == "generate":
        raise FreeholdError("workers_unsupported", model=model.id, workers=model.workers)
    return WorkerPool(path, model.id, settings, model.workers)


def _specs(declared: tuple[DeclaredTensor, ...]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(one.name, one.datatype, one.shape) for one in declared)


def _held(model: ModelConfig, place: Place) -> Path:
    """What the engine opens, kept from `models gc` while this process lives."""
    while True:
        path = prepared(model, place, model.precision)
        if path.parent != place.graphs or place.store.folders.keep(path):
            return path


def prepared(model: ModelConfig, place: Place, precision: str) -> Path:
    """What an engine opens of `model`, in `precision` where its graph is written here. Raises FreeholdError."""
    return prepare(located(model.parsed_source, place.store), place.graphs, precision, model.kind)


def prepare(path: Path, cache: Path, precision: str = "fp32", kind: str = "auto") -> Path:
    """What an engine opens: an `.onnx` file or artifact as it is; of a Hugging Face folder, the artifact written.

    `kind` says what a decoder is for where its files do not. Raises FreeholdError.
    """
    if path.is_file() or (path / "manifest.json").is_file():
        return path
    if (path / "config.json").is_file():
        return graphs.build(path, cache, precision=precision, kind=kind)
    found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
    raise FreeholdError("folder_not_a_model", path=path, found=found)
