"""A compilation from what is asked to an artifact with an engine that was proven."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from freehold import __version__
from freehold.adapt.conversion import Say
from freehold.adapt.tensorrt import provider
from freehold.adapt.tensorrt.engines import EngineCache
from freehold.adapt.tensorrt.log import Log
from freehold.adapt.tensorrt.plan import Compilation, Machine, Plan, plan
from freehold.adapt.tensorrt.process import run_trtexec, version_of_program
from freehold.adapt.tensorrt.replay import Replayed
from freehold.adapt.tensorrt.subject import Subject, open_subject
from freehold.adapt.tensorrt.trtexec import PLACES
from freehold.adapt.tensorrt.wrapper import ENGINE, write_wrapper
from freehold.artifact import Artifact, MadeBy, Manifest, write_manifest
from freehold.artifact.artifact import FULL, TENSORRT
from freehold.engine.base import Proof
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.verify import replay
from freehold.errors import FreeholdError
from freehold.machine import Gpu, free_bytes

TOOL = "freehold.adapt.tensorrt"
REPLAY_S = 60.0


@dataclass(frozen=True)
class Compiled:
    """What was made: the artifact's folder, how its proof went, whether its engine was there already, and the log of
    its build (None where there was none)."""

    folder: Path
    digest: str
    plan: Plan
    proof: Proof
    cached: bool
    log: Log | None
    engine_bytes: int


def plan_only(asked: Compilation, gpus: Sequence[Gpu], work: Path, cache: Path, say: Say) -> Plan:
    """What would be done, on a machine that need not have a GPU nor trtexec. Raises as `plan` and `open_subject`."""
    subject = open_subject(asked.path, asked.name, work, say)
    version = version_of_program(asked.program, work / "version.log") if asked.program else ""
    gpu = next((gpu for gpu in gpus if gpu.index == asked.gpu), None)
    planned = plan(subject, asked, Machine(version, gpu), Path(), cache)
    graph = asked.path if asked.path.is_file() else planned.build.graph
    return replace(planned, build=replace(planned.build, graph=graph))


def compile_engine(asked: Compilation, gpus: Sequence[Gpu], work: Path, cache: Path, say: Say) -> Compiled:
    """Write the compiled artifact into the scratch folder `work`, which is the caller's to remove.

    Engines are kept in `cache`, and used again where nothing that they depend on has changed; each time the recorded
    cases are replayed through the engine on this GPU. Raises FreeholdError before anything is built for whatever is
    missing or wrong: `tensorrt_no_gpu`, `tensorrt_no_trtexec`, `tensorrt_provider_missing`, and as `open_subject` and
    `plan`; later as `run_trtexec`, and `tensorrt_proof_failed` and `tensorrt_disk_full`.
    """
    try:
        return _compile(asked, gpus, work, cache, say)
    except OSError as error:
        if error.errno in FULL:
            raise FreeholdError("tensorrt_disk_full", path=work, free=free_bytes(work) // 1_000_000) from error
        raise


def _compile(asked: Compilation, gpus: Sequence[Gpu], work: Path, cache: Path, say: Say) -> Compiled:
    machine = _machine(asked, gpus, work)
    subject = open_subject(asked.path, asked.name, work, say)
    scratch = work / "engine"
    scratch.mkdir()
    planned = plan(subject, asked, machine, scratch, cache)
    engines = EngineCache(cache)
    kept = engines.find(planned.key)
    told = _build(planned, subject, asked, say) if kept is None else None
    manifest = _manifest(asked.name, subject, planned, machine)
    artifact = _write(work / "compiled", subject, manifest, kept or scratch)
    say("replaying the goldens")
    proof = _prove(artifact, subject, planned, asked, work)
    if proof.failure is not None:
        raise proof.failure
    if kept is None:
        engines.keep(planned.key, [scratch / ENGINE, scratch / TENSORRT])
    size = (artifact.path / ENGINE).stat().st_size
    return Compiled(artifact.path, artifact.digest, planned, proof, kept is not None, told, size)


def _machine(asked: Compilation, gpus: Sequence[Gpu], work: Path) -> Machine:
    """What there is to build with. Raises FreeholdError for what there is not."""
    if asked.builder == "onnxruntime":
        provider.check_provider()
    elif not asked.program:
        raise FreeholdError("tensorrt_no_trtexec", places=", ".join(("PATH", *PLACES)))
    gpu = next((gpu for gpu in gpus if gpu.index == asked.gpu), None)
    if gpu is None:
        seen = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in gpus) or "-"
        raise FreeholdError("tensorrt_no_gpu", index=asked.gpu, seen=seen)
    version = version_of_program(asked.program, work / "version.log") if asked.builder == "trtexec" else ""
    return Machine(version, gpu)


def _build(planned: Plan, subject: Subject, asked: Compilation, say: Say) -> Log | None:
    build = planned.build
    if build.timing_cache is not None:
        build.timing_cache.parent.mkdir(parents=True, exist_ok=True)
    say("building the engine: minutes")
    if planned.builder == "onnxruntime":
        provider.build_by_provider(build, build.engine.parent)
        return None
    asked.logs.mkdir(parents=True, exist_ok=True)
    log = asked.logs / f"compile-{asked.name}.log"
    told = run_trtexec(planned.command, log, asked.limit_s, say)
    if not build.engine.is_file():
        raise FreeholdError("tensorrt_failed", reason="no engine was written", operator="", log=log)
    write_wrapper(build.engine.parent, subject.inputs, subject.outputs, build.version, planned.key.capability)
    return told


def _write(folder: Path, subject: Subject, manifest: Manifest, built: Path) -> Artifact:
    """The artifact in `folder`, with the engine that lies in `built`."""
    folder.mkdir()
    for file in subject.data_files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(subject.artifact.path / file, folder / file)
    for file in (ENGINE, TENSORRT):
        shutil.copyfile(built / file, folder / file)
    return write_manifest(folder, manifest)


def _manifest(name: str, subject: Subject, planned: Plan, machine: Machine) -> Manifest:
    """The parent's, with what was changed and with what; a tolerance that was measured counts in the same precision."""
    manifest, build, gpu = subject.artifact.manifest, planned.build, machine.gpu
    assert gpu is not None  # checked before anything was built
    shapes = msgspec.json.encode(planned.as_data()["profiles"]).decode()
    settings = {
        **manifest.made_with,
        "compiled_by": f"freehold {__version__}",
        "compiled_with": f"trtexec of TensorRT {build.version}" if planned.builder == "trtexec" else provider.VERSION,
        "compiled_for": f"{gpu.name}, compute capability {gpu.capability}, driver {gpu.driver}",
        "profiles": shapes,
        "engine_key": planned.key.digest,
    }
    return msgspec.structs.replace(
        manifest,
        name=name,
        precision=build.precision,
        parent=subject.parent or None,
        made_by=MadeBy(TOOL, __version__, manifest.made_by.source),
        made_with=settings,
        files={},
        tolerance=manifest.tolerance if build.precision == manifest.precision else None,
    )


def _prove(artifact: Artifact, subject: Subject, planned: Plan, asked: Compilation, work: Path) -> Proof:
    if planned.builder == "onnxruntime":
        return asyncio.run(_prove_by_provider(artifact, subject))
    engine = Replayed(planned.program, artifact.path / ENGINE, planned.build.version, asked.gpu, subject, work)
    return engine.prove(artifact.manifest)


async def _prove_by_provider(artifact: Artifact, subject: Subject) -> Proof:
    """As every start with `device: tensorrt` will do."""
    engine = open_artifact(artifact.path, EngineSettings(device="tensorrt", tune=False, prove=False))
    await engine.load()
    try:
        return replay(engine.answer, artifact.manifest, subject.goldens, "fp32", REPLAY_S)
    finally:
        await engine.close(0.0)
