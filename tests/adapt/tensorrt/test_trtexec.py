"""Command lines of trtexec, word for word."""

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.adapt.tensorrt.profiles import Profile
from freehold.adapt.tensorrt.subject import open_subject
from freehold.adapt.tensorrt.trtexec import Build, build_command, check_precision, find_trtexec, numbers, replay_command
from freehold.artifact import Artifact
from freehold.errors import FreeholdError

PROFILES = (
    Profile("x", (1, 3, 32), (16, 3, 32), (64, 3, 32)),
    Profile("mask:0", (1,), (16,), (64,)),
)
BUILD = Build(Path("/m/model.onnx"), Path("/e/model.plan"), PROFILES, "fp32", "10.13.3")


def test_the_whole_command_line_of_fp32() -> None:
    """Shapes by name, a name with a colon in quotes, and no TF32."""
    build = replace(BUILD, gpu=1, workspace_mb=4096, timing_cache=Path("/c/timing"))
    assert build_command("/usr/bin/trtexec", build) == [
        "/usr/bin/trtexec",
        "--onnx=/m/model.onnx",
        "--saveEngine=/e/model.plan",
        "--device=1",
        "--minShapes=x:1x3x32,'mask:0':1",
        "--optShapes=x:16x3x32,'mask:0':16",
        "--maxShapes=x:64x3x32,'mask:0':64",
        "--noTF32",
        "--memPoolSize=workspace:4096",
        "--timingCacheFile=/c/timing",
    ]


@pytest.mark.parametrize(
    ("precision", "version", "flags"),
    [
        ("fp16", "8.6.1", ["--fp16"]),
        ("fp16", "10.13.3", ["--fp16"]),
        ("bf16", "10.0.0", ["--bf16"]),
        ("int8", "10.13.3", ["--int8"]),
        ("fp32", "11.4.0", ["--noTF32"]),
        ("fp16", "11.4.0", []),
        ("int8", "11.4.0", []),
    ],
)
def test_precision_has_a_flag_up_to_tensorrt_10(precision: str, version: str, flags: list[str]) -> None:
    """From 11 on the graph alone says what is computed in."""
    build = replace(BUILD, profiles=(), precision=precision, version=version)
    assert build_command("trtexec", build)[4:] == flags


def test_an_engine_of_indices_is_not_measured() -> None:
    """trtexec would draw them at random."""
    assert build_command("trtexec", replace(BUILD, measured=False))[-1] == "--skipInference"


def test_the_whole_command_line_of_a_replay() -> None:
    """One run, with inputs from files and outputs as JSON."""
    files = {"x": Path("/w/0.bin"), "mask:0": Path("/w/1.bin")}
    assert replay_command("trtexec", Path("/e.plan"), 0, {"x": (1, 3)}, files, Path("/w/out.json")) == [
        "trtexec",
        "--loadEngine=/e.plan",
        "--device=0",
        "--loadInputs=x:/w/0.bin,'mask:0':/w/1.bin",
        "--shapes=x:1x3",
        "--exportOutput=/w/out.json",
        "--iterations=1",
        "--warmUp=0",
        "--duration=0",
    ]


@pytest.mark.parametrize(
    ("precision", "version", "code"),
    [
        ("fp32", "8.5.3", "tensorrt_too_old"),
        ("bf16", "8.6.1", "tensorrt_bf16_unknown"),
        ("int8", "10.13.3", "tensorrt_int8_uncalibrated"),
        ("fp16", "11.4.0", "tensorrt_precision_in_graph"),
        ("bf16", "11.4.0", "tensorrt_precision_in_graph"),
    ],
)
def test_precisions_that_would_mean_nothing_are_refused(
    dense: Artifact, tmp_path: Path, precision: str, version: str, code: str
) -> None:
    """By version, and by what the graph says of itself."""
    subject = open_subject(dense.path, "dense", tmp_path, lambda _: None)
    with pytest.raises(FreeholdError) as caught:
        check_precision(subject, precision, version)  # type: ignore[arg-type]  # a parametrized literal
    assert caught.value.code == code


def test_graphs_that_say_their_precision_are_taken(dense: Artifact, tmp_path: Path) -> None:
    """Halves in TensorRT 11, and int8 with scales in every version."""
    subject = open_subject(dense.path, "dense", tmp_path, lambda _: None)
    check_precision(replace(subject, halves=True), "fp16", "11.4.0")
    check_precision(replace(subject, explicit=True), "int8", "8.6.1")
    check_precision(subject, "fp16", "10.13.3")


def test_the_program_is_the_named_one_or_paths(tmp_path: Path) -> None:
    """A name that is not there finds nothing, rather than another one."""
    program = tmp_path / "trtexec"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_trtexec(None, {"PATH": str(tmp_path)}) == program
    assert find_trtexec(str(program), {}) == program
    assert find_trtexec(str(tmp_path / "gone"), {"PATH": str(tmp_path)}) is None


def test_versions_are_compared_by_number() -> None:
    """10 is newer than 8."""
    assert numbers("10.2.0") > numbers("8.6.1")
