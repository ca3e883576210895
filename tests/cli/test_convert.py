"""`freehold convert` as a user runs it: into the store, to a server, and out again when it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from freehold.artifact import Artifact
from freehold.cli.main import main

CODE = Path(__file__).parents[1] / "adapt" / "pytorch_models.py"
PATIENCE_S = 60.0  # only a broken test waits this long


@pytest.fixture
def weights(folder: Path) -> Path:
    """The state dict of `pytorch_models.Line`: [batch, 4] to [batch, 2]."""
    torch.manual_seed(0)
    torch.save({"line.weight": torch.randn(2, 4), "line.bias": torch.randn(2)}, folder / "line.pth")
    return folder / "line.pth"


def kept(folder: Path) -> list[Path]:
    """What a conversion has left in FREEHOLD_HOME, its log aside."""
    places = (folder / "home" / "store", folder / "home" / "cache" / "conversions")
    return [path for place in places for path in place.rglob("*") if path.is_file()]


def test_a_graph_comes_into_the_store(freehold: Callable[..., object], mlp: Path) -> None:
    """Numbered, with its dimensions, its proof and how near it came; a second time it is the same artifact."""
    made = freehold("convert", str(mlp), "--name", "mlp", "--json")
    assert made.code == 0, made.err
    assert made.data["ref"] == "mlp:1"
    assert made.data["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["batch", 16]}]
    assert made.data["proof"] == "self"
    assert made.data["notes"][0]["code"] == "note_proof_self"
    assert {row["label"] for row in made.data["parity"]} == {"batch 1", "batch 3"}
    again = freehold("convert", str(mlp), "--name", "mlp", "--json").data
    assert (again["ref"], again["digest"]) == (made.data["ref"], made.data["digest"])


def test_a_person_reads_where_it_is_and_what_was_proven(freehold: Callable[..., object], mlp: Path) -> None:
    """In lines that end with what to do next."""
    text = freehold("convert", str(mlp), "--name", "mlp:v2").out
    assert "x  FP32 [batch, 16]" in text
    assert "proof: self, 2 cases" in text
    assert text.strip().endswith("Serve it: freehold serve mlp:v2")


def test_the_artifact_can_go_to_a_folder(freehold: Callable[..., object], mlp: Path, folder: Path) -> None:
    """Whole, and only to one that is not there yet; nothing comes into the store."""
    assert freehold("convert", str(mlp), "--name", "mlp", "--output", "out/mlp").code == 0
    Artifact.open(folder / "out" / "mlp").check_files()
    refused = freehold("convert", str(mlp), "--name", "mlp", "--output", "out/mlp", "--json")
    assert refused.error["code"] == "convert_output_exists"
    spoken = freehold("convert", str(mlp), "--name", "mlp", "--output", "out/a folder").out
    assert spoken.strip().endswith("Serve it: freehold serve 'out/a folder'"), "as a shell takes it"
    assert kept(folder) == []


def test_a_place_that_cannot_be_written_is_told(
    freehold: Callable[..., object], mlp: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that was asked for, and the one of this user."""
    (folder / "file").touch()
    refused = freehold("convert", str(mlp), "--name", "mlp", "--output", "file/mlp", "--json")
    assert refused.error["code"] == "convert_unwritable"
    monkeypatch.setenv("FREEHOLD_HOME", str(folder / "file" / "home"))
    assert freehold("convert", str(mlp), "--name", "mlp", "--json").error["code"] == "convert_unwritable"


def test_a_failed_proof_keeps_nothing(freehold: Callable[..., object], mlp: Path, folder: Path) -> None:
    """The exit code is 1, and the error says where it parts."""
    x = np.ones((1, 16), np.float32)
    np.savez(folder / "a.npz", **{"in.x": x, "out.y": np.ones((1, 4), np.float32)})
    failed = freehold("convert", str(mlp), "--name", "mlp", "--goldens", "a.npz", "--json")
    assert failed.code == 1
    assert failed.error["code"] == "proof_failed"
    assert kept(folder) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("mlp.onnx", "--name", "bad name"), "store_name_invalid"),
        (("mlp.onnx", "--name", "mlp", "--input-shape", "1,a"), "input_shape_invalid"),
        (("missing.pt", "--name", "mlp"), "model_path_missing"),
        (("hf://org/name", "--name", "mlp"), "source_not_local"),
        (("line.pth", "--name", "line", "--code", str(CODE) + ":Line"), "code_needs_trust"),
    ],
)
def test_what_was_asked_wrongly_is_told(
    freehold: Callable[..., object], mlp: Path, weights: Path, words: tuple[str, ...], code: str, folder: Path
) -> None:
    """Before anything is kept."""
    refused = freehold("convert", *words, "--json")
    assert refused.code == 1
    assert refused.error["code"] == code
    assert kept(folder) == []


def test_a_pytorch_file_is_converted_and_served(
    freehold: Callable[..., object], serve: Callable[..., object], weights: Path
) -> None:
    """From a .pth on disk to an answer over HTTP, which is the one that PyTorch gives."""
    words = ("--code", f"{CODE}:Line", "--trust-code", "--input-shape", "1,4", "--json")
    made = freehold("convert", str(weights), "--name", "line", *words)
    assert made.code == 0, made.err
    assert made.data["proof"] == "raw"
    assert made.data["isolation"] == "namespaces"
    running = serve("line:1")
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}
    status, answer = running.ask("POST", "/v2/models/line/infer", {"inputs": [tensor]})
    assert status == 200, answer
    state = torch.load(weights)
    expected = torch.tensor([[1.0, 2.0, 3.0, 4.0]]) @ state["line.weight"].T + state["line.bias"]
    np.testing.assert_allclose(answer["outputs"][0]["data"], expected.numpy().ravel(), atol=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_conversion_leaves_nothing(
    freehold: Callable[..., object], weights: Path, mlp: Path, folder: Path, number: signal.Signals
) -> None:
    """No process, no artifact, no scratch; after kill -9 the scratch goes with the next conversion."""
    (folder / "endless.py").write_text("import time\nprint('begun')\ntime.sleep(600)\n")
    command = [sys.executable, "-m", "freehold.cli.main", "convert", str(weights), "--name", "line"]
    command += ["--code", "endless.py:Net", "--trust-code", "--input-shape", "1,4"]
    environment = {**os.environ, "TMPDIR": str(folder)}  # a child is known by the place of its plan
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert wait_for(lambda: children_of(folder))
        process.send_signal(number)
        assert process.wait(PATIENCE_S) != 0
    finally:
        process.kill()
        process.wait()
    assert wait_for(lambda: not children_of(folder))
    if number == signal.SIGKILL:
        assert freehold("convert", str(mlp), "--name", "mlp", "--output", "out").code == 0
    assert kept(folder) == []


def wait_for(done: Callable[[], object]) -> bool:
    """Whether `done` came true in time."""
    limit = time.monotonic() + PATIENCE_S
    while not done() and time.monotonic() < limit:
        time.sleep(0.05)
    return bool(done())


def children_of(folder: Path) -> list[str]:
    """Processes behind walls whose plan lies in `folder`, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if "confine.py" in line and str(folder) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_help_says_what_is_converted(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer finds the formats and what trust means."""
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    text = capsys.readouterr().out
    assert "SavedModel" in text
    assert "--trust-code" in text
