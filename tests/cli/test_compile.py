"""`freehold compile` where there is no GPU: what it says, and that it changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.machine import read_gpus
from freehold.store import Store
from tests.trtexec_stand_in import write_stand_in

Freehold = Callable[..., Any]


@pytest.fixture
def script(folder: Path) -> Path:
    """A program that says that it is trtexec, and builds nothing."""
    path = folder / "trtexec"
    path.write_text("#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT v110400] # trtexec'\n")
    path.chmod(0o755)
    return path


def test_a_plan_shows_command_profiles_and_key(freehold: Freehold, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU and without trtexec; nothing is built."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    ran = freehold("compile", str(mlp), "--to", "tensorrt", "--plan", "--max", "x=32x16", "--json")
    assert ran.code == 0, ran.err
    assert ran.data["command"][0] == "trtexec"
    assert "--maxShapes=x:32x16" in ran.data["command"]
    assert ran.data["profiles"] == [{"input": "x", "min": [1, 16], "opt": [16, 16], "max": [32, 16]}]
    assert "TensorRT" in ran.data["unknown"]
    text = freehold("compile", str(mlp), "--to", "tensorrt", "--plan", "--with", "onnxruntime").out
    assert "trt_profile_max_shapes=x:64x16" in text


def test_a_plan_asks_the_program_for_its_version(freehold: Freehold, mlp: Path, script: Path) -> None:
    """TensorRT 11 has no flag for fp16, and the graph is float32."""
    ran = freehold(
        "compile", str(mlp), "--to", "tensorrt", "--trtexec", str(script), "--plan", "--precision", "fp16", "--json"
    )
    assert ran.error["code"] == "tensorrt_precision_in_graph"
    fine = freehold("compile", str(mlp), "--to", "tensorrt", "--trtexec", str(script), "--plan", "--json")
    assert fine.data["tensorrt"] == "11.4.0"


def test_without_its_tools_nothing_is_changed(
    freehold: Freehold, mlp: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fix names what to install, and the store stays as it was."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for words, code in (
        ((), "tensorrt_no_trtexec"),
        (("--with", "onnxruntime"), "tensorrt_provider_missing"),
        (("--trtexec", "gone"), "tensorrt_program"),
        (("--output", str(folder)), "tensorrt_output_exists"),
        (("--max", "x=abc"), "input_shape_invalid"),
        (("--max", "1x16"), "tensorrt_shape_nameless"),
    ):
        ran = freehold("compile", str(mlp), "--to", "tensorrt", *words, "--json")
        assert (ran.code, ran.error["code"]) == (1, code)
    assert list(Store(folder / "home" / "store").list()) == []
    assert not any(path.is_dir() for path in (folder / "home").rglob("compile/*"))


def test_without_a_gpu_the_plan_is_offered(freehold: Freehold, mlp: Path, script: Path) -> None:
    """trtexec alone is not enough. GPU 63 is on no machine."""
    assert len(read_gpus()) < 64
    ran = freehold("compile", str(mlp), "--to", "tensorrt", "--trtexec", str(script), "--gpu", "63", "--json")
    assert ran.error["code"] == "tensorrt_no_gpu"
    assert "--plan" in ran.error["fix"]


def test_an_artifact_without_an_engine_is_not_served_by_tensorrt(freehold: Freehold, mlp: Path) -> None:
    """`device: tensorrt` builds nothing at a start, and never falls back."""
    ran = freehold("verify", str(mlp), "--device", "tensorrt", "--json")
    assert ran.code == 1
    assert "tensorrt_not_compiled" in ran.out + ran.err


@pytest.fixture
def tools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for a GPU and for trtexec is on PATH."""
    bin_folder = write_stand_in(folder / "bin").parent
    driver = bin_folder / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho '0, NVIDIA L4, GPU-1, 550.54.15, 23034, 1, 8.9'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")


@pytest.mark.usefixtures("tools")
def test_an_artifact_leaves_for_a_folder(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """With --output the store keeps nothing; a place that cannot be written to is an error of its own."""
    assert freehold("convert", str(mlp), "--name", "dense").code == 0
    (folder / "file").write_text("")
    refused = freehold("compile", "dense:1", "--to", "tensorrt", "--output", "file/fast", "--json")
    assert (refused.code, refused.error["code"]) == (1, "tensorrt_unwritable")
    ran = freehold("compile", "dense:1", "--to", "tensorrt", "--output", "fast", "--json")
    assert ran.code == 0, ran.err
    assert (ran.data["artifact"], (folder / "fast" / "manifest.json").is_file()) == ("fast", True)
    assert [stored.name for stored in Store(folder / "home" / "store").list()] == ["dense"]


@pytest.mark.usefixtures("tools")
def test_a_compiled_model_is_in_the_store_with_its_parent(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """From the command line to lineage; a second compilation finds its engine. GPU and trtexec are stood in for."""
    assert freehold("convert", str(mlp), "--name", "dense").code == 0
    first = freehold("compile", "dense:1", "--to", "tensorrt", "--name", "fast", "--json")
    assert first.code == 0, first.err
    assert (first.data["artifact"], first.data["cached"], first.data["build_s"]) == ("fast:1", False, 4.25)
    assert first.data["proof"] == {"status": "self", "replayed": 2, "cases": 2}
    again = freehold("compile", "dense:1", "--to", "tensorrt", "--name", "fast")
    assert "built before" in again.out
    dense, fast = sorted(Store(folder / "home" / "store").list(), key=lambda stored: stored.name)
    assert fast.manifest.parent == dense.digest
    assert "dense" in freehold("models", "lineage", "fast").out
    assert freehold("verify", "fast:1").code == 0  # on the processor it is what its parent is
