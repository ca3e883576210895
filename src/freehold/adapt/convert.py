"""From any raw model to a proven artifact: the door is found, the files are pinned, the goldens replayed."""

import asyncio
import importlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from freehold.adapt.conversion import Conversion, Door, Say
from freehold.adapt.detect import Detected, Format, detect
from freehold.adapt.graph_contents import shape_of
from freehold.adapt.trace import trace
from freehold.adapt.trace_steps import Trace
from freehold.artifact import Artifact, Golden, load_goldens, write_manifest
from freehold.artifact.artifact import FULL, rewrite_manifest
from freehold.engine.base import Engine, Proof
from freehold.engine.opening import open_engine
from freehold.engine.parity import Measured, Parity, measure, together
from freehold.engine.settings import EngineSettings
from freehold.engine.verify import judge, shown_by, tolerance_of
from freehold.errors import FreeholdError

DOORS: dict[Format, str] = {
    Format.PICKLE: "freehold.adapt.from_pytorch",
    Format.SAFETENSORS: "freehold.adapt.from_pytorch",
    Format.SCRIPT: "freehold.adapt.from_pytorch",
    Format.PROGRAM: "freehold.adapt.from_pytorch",
    Format.HUGGING_FACE: "freehold.adapt.from_folder",
    Format.SAVED_MODEL: "freehold.adapt.from_tensorflow",
    Format.KERAS: "freehold.adapt.from_tensorflow",
    Format.KERAS_H5: "freehold.adapt.from_tensorflow",
    Format.ONNX: "freehold.adapt.from_onnx",
}
"""The module of each format's door, which is imported when it is needed."""
TORCH = frozenset({Format.PICKLE, Format.SAFETENSORS, Format.SCRIPT, Format.PROGRAM})
KERAS = frozenset({Format.KERAS, Format.KERAS_H5})
TAKEN_BY: dict[str, frozenset[Format]] = {
    "--code": TORCH,
    "--signature": KERAS | {Format.SAVED_MODEL},
    "--goldens": frozenset({Format.ONNX}),
}
"""Options that say something of some formats, and nothing of the others."""


@dataclass(frozen=True)
class Converted:
    """A written artifact and what its replay showed.

    `proof.failure` is set where it must not be kept; `trace` then says where it parts from the raw model, if that could
    be seen. `dimensions` are the shapes of inputs and outputs with the names of free dimensions.
    """

    artifact: Artifact
    detected: Detected
    proof: Proof
    parity: tuple[Parity, ...]
    dimensions: dict[str, tuple[int | str, ...]]
    seconds: float
    trace: Trace | None = None


def convert(asked: Conversion, say: Say, *, always_trace: bool = False) -> Converted:
    """Convert `asked.source` into `asked.work / "artifact"`, and replay its goldens.

    Raises FreeholdError: what `detect` and the door of the format raise, `convert_option_unused`, `convert_disk_full`,
    `convert_unwritable`.
    """
    begun = time.monotonic()
    found = detect(asked.source)
    _check_options(asked, found)
    asked = replace(asked, source=found.path)
    folder = asked.work / "artifact"
    try:
        folder.mkdir()
        door: Door = importlib.import_module(DOORS[found.format]).write
        manifest = door(asked, folder, say)
        artifact = (rewrite_manifest if manifest.files else write_manifest)(folder, manifest)
    except OSError as error:
        if error.errno in FULL:
            raise FreeholdError("convert_disk_full", path=asked.work) from error
        raise FreeholdError("convert_unwritable", path=asked.work, reason=error.strerror or str(error)) from error
    say("replaying what was recorded")
    proof, parity = asyncio.run(_replayed(artifact))
    seconds = time.monotonic() - begun
    seen = _traced(asked, folder, say) if proof.failure is not None or always_trace else None
    return Converted(artifact, found, proof, parity, _dimensions(artifact.graph), seconds, seen)


def _check_options(asked: Conversion, found: Detected) -> None:
    """Nothing that was asked for is passed over in silence. Raises `convert_option_unused`."""
    given = {"--code": asked.code, "--signature": asked.signature, "--goldens": asked.recorded}
    for option, value in given.items():
        if value and found.format not in TAKEN_BY[option]:
            known = ", ".join(one for one in Format if one in TAKEN_BY[option])
            raise FreeholdError(
                "convert_option_unused", option=option, path=found.path, format=str(found.format), known=known
            )


async def _replayed(artifact: Artifact) -> tuple[Proof, tuple[Parity, ...]]:
    engine = open_engine(artifact.path, artifact.manifest.name, EngineSettings(tune=False, prove=False))
    await engine.load()
    try:
        return await asyncio.to_thread(_judge, engine, load_goldens(artifact.goldens))
    finally:
        await engine.close(0.0)


def _judge(engine: Engine, goldens: list[Golden]) -> tuple[Proof, tuple[Parity, ...]]:
    """Every case of every golden, and how near each output came; the first failure is the proof's."""
    manifest, precision = engine.manifest, engine.precision
    tolerance = tolerance_of(manifest, precision)
    measured: list[Measured] = []
    failures: list[FreeholdError] = []
    for golden in goldens:
        for place, case in enumerate(golden.cases):
            answer, failure = judge(engine.answer, golden, place, manifest, precision)
            failures += [failure] if failure is not None else []
            measured += measure(place, case, answer, manifest, tolerance, precision)
    shown = shown_by(goldens, sum(len(golden.cases) for golden in goldens))
    if failures:
        shown = replace(shown, status="failed", failure=failures[0])
    return shown, together(measured)


def _traced(asked: Conversion, folder: Path, say: Say) -> Trace | None:
    """A trace explains; where it cannot be made, the failure stands without."""
    say("looking for where it parts from the raw model")
    try:
        return trace(asked, folder, say)
    except FreeholdError:
        return None


def _dimensions(graph: Path) -> dict[str, tuple[int | str, ...]]:
    """The shapes in the graph, by input and output."""
    model = onnx.load(graph, load_external_data=False)
    values = (*model.graph.input, *model.graph.output)
    return {value.name: shape_of(value) for value in values}
