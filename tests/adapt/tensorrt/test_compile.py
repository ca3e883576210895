"""From an artifact to one with a proven engine; trtexec is stood in for by a program that answers on the processor."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import onnxruntime
import pytest

from freehold.adapt.tensorrt.compile import Compiled, compile_engine, plan_only
from freehold.adapt.tensorrt.plan import Compilation
from freehold.adapt.tensorrt.wrapper import ENGINE, engine_of
from freehold.artifact import Artifact, Tolerance, write_manifest
from freehold.artifact.artifact import TENSORRT
from freehold.errors import FreeholdError
from freehold.machine import Gpu

StandIn = Callable[..., Path]


def compiled(asked: Compilation, gpus: tuple[Gpu, ...], base: Path, place: str = "work") -> Compiled:
    work = base / place
    work.mkdir()
    return compile_engine(asked, gpus, work, base / "cache", lambda _: None)


def asked_for(dense: Artifact, program: Path | str) -> Compilation:
    return Compilation(dense.path, "dense-tensorrt", program=str(program), logs=dense.path.parent / "logs")


def calls(program: Path) -> list[list[str]]:
    """The command lines that the stand-in was given."""
    return [json.loads(line) for line in program.with_name("calls").read_text().splitlines()]


def test_a_compiled_artifact_names_its_parent_and_how_it_was_made(
    dense: Artifact, stand_in: StandIn, gpu: Gpu, tmp_path: Path
) -> None:
    """All of the parent's files, the engine, and what it was built with; the parent stays as it is."""
    made = compiled(asked_for(dense, stand_in()), (gpu,), tmp_path)
    artifact = Artifact.open(made.folder)
    artifact.check_files()
    manifest = artifact.manifest
    assert (manifest.name, manifest.parent, manifest.precision) == ("dense-tensorrt", dense.digest, "fp32")
    assert manifest.made_with["compiled_with"] == "trtexec of TensorRT 10.13.3"
    assert "9.0" in manifest.made_with["compiled_for"]
    assert manifest.made_with["engine_key"] == made.plan.key.digest
    assert set(dense.manifest.files) < set(manifest.files)
    assert artifact.graph_for("tensorrt") == artifact.path / TENSORRT
    assert engine_of(artifact.path / TENSORRT).name == ENGINE
    assert (made.proof.status, made.cached) == ("self", False)
    assert made.log is not None
    assert (made.log.built_s, made.log.throughput) == (4.25, 1200.5)
    assert Artifact.open(dense.path).digest == dense.digest
    assert (tmp_path / "logs" / "compile-dense-tensorrt.log").is_file()


def test_an_engine_is_built_once_and_proven_each_time(
    dense: Artifact, stand_in: StandIn, gpu: Gpu, tmp_path: Path
) -> None:
    """A second compilation only replays; another GPU builds its own."""
    program = stand_in()
    first = compiled(asked_for(dense, program), (gpu,), tmp_path, "first")
    before = len(calls(program))
    again = compiled(asked_for(dense, program), (gpu,), tmp_path, "again")
    assert (first.cached, again.cached) == (False, True)
    assert (again.digest, again.log) == (first.digest, None)
    assert not any("saveEngine" in word for call in calls(program)[before:] for word in call)
    assert any("loadEngine" in word for call in calls(program)[before:] for word in call)
    other = compiled(asked_for(dense, program), (replace(gpu, capability="8.6"),), tmp_path, "other")
    assert not other.cached


def test_a_wrong_engine_is_neither_written_nor_kept(
    dense: Artifact, stand_in: StandIn, gpu: Gpu, tmp_path: Path
) -> None:
    """The next try builds again."""
    with pytest.raises(FreeholdError) as caught:
        compiled(asked_for(dense, stand_in(factor=1.1)), (gpu,), tmp_path)
    assert caught.value.code == "tensorrt_proof_failed"
    assert not any(tmp_path.glob("cache/*/key.json"))


def test_a_measured_tolerance_counts_in_the_same_precision_alone(
    dense: Artifact, stand_in: StandIn, gpu: Gpu, tmp_path: Path
) -> None:
    """In another it says nothing of what this engine may differ by."""
    write_manifest(dense.path, msgspec.structs.replace(dense.manifest, tolerance=Tolerance(max_abs=0.5)))
    asked = asked_for(dense, stand_in())
    assert Artifact.open(compiled(asked, (gpu,), tmp_path, "same").folder).manifest.tolerance == Tolerance(max_abs=0.5)
    halves = Artifact.open(compiled(replace(asked, precision="fp16"), (gpu,), tmp_path, "half").folder).manifest
    assert (halves.precision, halves.tolerance) == ("fp16", None)


def test_a_program_that_writes_no_engine_has_failed(
    dense: Artifact, script: Callable[[str], Path], gpu: Gpu, tmp_path: Path
) -> None:
    """Whatever it says of itself; the log is named."""
    program = script("echo '&&&& RUNNING TensorRT.trtexec [TensorRT v101303]'")
    with pytest.raises(FreeholdError) as caught:
        compiled(asked_for(dense, program), (gpu,), tmp_path)
    assert caught.value.code == "tensorrt_failed"
    assert "no engine" in caught.value.cause


def test_what_is_missing_is_said_before_anything_is_read(dense: Artifact, gpu: Gpu, tmp_path: Path) -> None:
    """The program, the GPU, the provider."""
    for asked, gpus, code in (
        (asked_for(dense, ""), (gpu,), "tensorrt_no_trtexec"),
        (asked_for(dense, "/bin/true"), (), "tensorrt_no_gpu"),
        (replace(asked_for(dense, "/bin/true"), gpu=1), (gpu,), "tensorrt_no_gpu"),
        (replace(asked_for(dense, ""), builder="onnxruntime"), (gpu,), "tensorrt_provider_missing"),
    ):
        with pytest.raises(FreeholdError) as caught:
            compiled(asked, gpus, tmp_path, code + str(asked.gpu))
        assert caught.value.code == code


def test_a_plan_needs_neither(dense: Artifact, tmp_path: Path) -> None:
    """Of a bare graph it names that graph, and not the copy in scratch."""
    planned = plan_only(Compilation(dense.path, "m"), (), tmp_path, tmp_path / "cache", lambda _: None)
    assert f"--onnx={dense.path / 'model.onnx'}" in planned.command
    work = tmp_path / "bare"
    work.mkdir()
    bare = plan_only(Compilation(tmp_path / "dense.onnx", "m"), (), work, tmp_path / "cache", lambda _: None)
    assert f"--onnx={tmp_path / 'dense.onnx'}" in bare.command


@pytest.mark.gpu
def test_the_provider_compiles_on_a_gpu(dense: Artifact, gpu: Gpu, tmp_path: Path) -> None:
    """The proof is made as every start with `device: tensorrt` will make it."""
    assert "TensorrtExecutionProvider" in onnxruntime.get_available_providers()
    made = compiled(replace(asked_for(dense, ""), builder="onnxruntime"), (gpu,), tmp_path)
    assert made.proof.status == "self"
