"""`freehold serve`: a process of its own, from a file or a configuration to an answering port and back."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

Freehold = Callable[..., Any]
Serve = Callable[..., Any]

HANDBOOK = """\
model:
  path: "/models/custom-model.onnx"
  input_shape: [1, 32, 1024]
  max_tokens: 4096
"""


def write_custom_model(path: Path) -> Path:
    """[batch, 32, 1024] -> its means over the last dimension, [batch, 32]."""
    node = helper.make_node("ReduceMean", ["input"], ["output"], axes=[2], keepdims=0)
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 32, 1024])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 32])]
    graph = helper.make_graph([node], "custom", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def handbook_model(folder: Path) -> Iterator[dict[str, str]]:
    """The handbook's model at the handbook's path; where that cannot be made, variables that name another place."""
    path = Path("/models/custom-model.onnx")
    missing = [parent for parent in (path.parent,) if not parent.exists()]
    if path.exists() or not os.access(path.parent if not missing else "/", os.W_OK):
        yield {"MODEL_PATH": str(write_custom_model(folder / "custom-model.onnx"))}
        return
    for parent in missing:
        parent.mkdir()
    try:
        write_custom_model(path)
        yield {}
    finally:
        path.unlink()
        for parent in missing:
            parent.rmdir()


def infer_means(running: Any) -> Any:
    """Ask the handbook's model for the means of twos."""
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 32, 1024], "data": [2.0] * (32 * 1024)}
    return running.ask("POST", "/v2/models/custom-model/infer", {"inputs": [tensor]})


def test_the_handbooks_configuration_serves(serve: Serve, folder: Path, handbook_model: dict[str, str]) -> None:
    """Verbatim, found in the working folder; SIGTERM ends the process with exit code 0."""
    (folder / "config.yaml").write_text(HANDBOOK)
    running = serve(**handbook_model)
    (model,) = running.banner["models"]
    assert (model["id"], model["kind"], model["state"]) == ("custom-model", "tensor", "ready")
    status, answer = infer_means(running)
    assert status == 200
    assert answer["outputs"][0]["shape"] == [1, 32]
    assert answer["outputs"][0]["data"] == [2.0] * 32
    assert running.leave() == 0


def test_a_path_in_the_environment_is_enough(serve: Serve, folder: Path) -> None:
    """`MODEL_PATH=custom-model.onnx freehold serve`, relative to the working folder."""
    write_custom_model(folder / "custom-model.onnx")
    running = serve(MODEL_PATH="custom-model.onnx")
    assert running.banner["models"][0]["id"] == "custom-model"
    assert infer_means(running)[0] == 200
    assert running.leave() == 0


def test_a_model_that_fails_its_proof_is_not_ready(serve: Serve, permuted_minilm: Path) -> None:
    """/readyz is 503 and names output, index, expected and seen; requests get a 503, the process stays."""
    running = serve(permuted_minilm)
    assert running.banner["models"][0]["state"] == "unproven"
    status, readiness = running.ask("GET", "/readyz")
    assert status == 503
    (model,) = readiness["models"]
    assert (readiness["ready"], model["state"], model["proof"]) == (False, "unproven", "failed")
    assert model["error"]["code"] == "proof_failed"
    for word in ("output embeddings", "index [", "expected ", "seen "):
        assert word in model["error"]["cause"]
    status, answer = running.ask("POST", "/v1/embeddings", {"model": "permuted", "input": "a"})
    assert status == 503
    assert "proof" in answer["error"]["message"]
    assert running.leave() == 0


def test_the_glass_can_be_broken_with_a_reason(serve: Serve, permuted_minilm: Path) -> None:
    """Served, and shown as `failed` wherever a proof is shown; the log keeps the reason."""
    running = serve(permuted_minilm, "--accept-failed-proof", "permuted", "--reason", "ticket 4711")
    assert [(model["state"], model["proof"]) for model in running.banner["models"]] == [("ready", "failed")]
    status, readiness = running.ask("GET", "/readyz")
    assert (status, readiness["models"][0]["proof"]) == (200, "failed")
    _, listed = running.ask("GET", "/v1/models")
    assert "failed" in json.dumps(listed)
    _, described = running.ask("GET", "/v2/models/permuted")
    assert described["properties"]["proof"] == "failed"
    _, metrics = running.ask("GET", "/metrics")
    assert 'freehold_model_proof{model="permuted",state="failed"} 1.0' in metrics
    assert running.ask("POST", "/v1/embeddings", {"model": "permuted", "input": "a"})[0] == 200
    assert running.leave() == 0
    assert "ticket 4711" in running.err.read_text()


def test_breaking_the_glass_needs_a_reason(freehold: Freehold, mlp: Path) -> None:
    """Without one, or with a blank one, nothing starts."""
    for words in (["--accept-failed-proof", "mlp"], ["--accept-failed-proof", "mlp", "--reason", " "]):
        ran = freehold("serve", str(mlp), *words, "--json")
        assert (ran.code, ran.error["code"]) == (2, "accept_needs_reason")
    ran = freehold("serve", str(mlp), "--accept-failed-proof", "other", "--reason", "because", "--json")
    assert (ran.code, ran.error["code"]) == (1, "model_not_found")


def test_goldens_of_our_own_are_served_as_self(
    freehold: Freehold, serve: Serve, tiny_artifact: Path, folder: Path
) -> None:
    """Never as `raw`: in the banner, in /readyz and in the list of models."""
    target = folder / "tiny"
    shutil.copytree(tiny_artifact, target)
    assert freehold("golden", "record", str(target)).code == 0
    running = serve(target)
    assert running.banner["models"][0]["proof"] == "self"
    assert running.ask("GET", "/readyz")[1]["models"][0]["proof"] == "self"
    _, listed = running.ask("GET", "/v1/models")
    assert '"self"' in json.dumps(listed)
    assert '"raw"' not in json.dumps(listed)
    assert running.leave() == 0


def test_beyond_loopback_a_key_is_made(serve: Serve, mlp: Path, folder: Path) -> None:
    """Mode 600; without it 401, with it an answer; health needs none; the log names the file and not the key."""
    running = serve(mlp, "--host", "0.0.0.0")
    key_file = folder / "home" / "initial-key"
    assert "$FREEHOLD_KEY" in running.banner["example"]
    assert key_file.stat().st_mode & 0o777 == 0o600
    key = key_file.read_text().strip()
    assert running.ask("GET", "/v2/models/mlp")[0] == 401
    assert running.ask("GET", "/v2/models/mlp", key="wrong")[0] == 401
    assert running.ask("GET", "/v2/models/mlp", key=key)[0] == 200
    assert running.ask("GET", "/readyz")[0] == 200
    assert running.leave() == 0
    assert str(key_file) in running.err.read_text()
    assert key not in running.err.read_text() + running.out.read_text()


def test_a_model_that_is_not_there_is_said_before_anything_starts(freehold: Freehold, folder: Path) -> None:
    """No port is opened; the path that was looked for is named."""
    ran = freehold("serve", "absent.onnx", "--json")
    assert (ran.code, ran.error["code"]) == (1, "model_path_missing")
    assert str(folder / "absent.onnx") in ran.error["cause"]


def test_a_folder_without_a_configuration_is_wrong_usage(freehold: Freehold) -> None:
    """Exit 2, with the ways to name a model."""
    ran = freehold("serve", "--json")
    assert (ran.code, ran.error["code"]) == (2, "config_no_model")


def test_when_no_model_can_be_loaded_the_process_leaves(serve: Serve, folder: Path) -> None:
    """Exit 1 with both shapes: nothing would ever answer."""
    write_custom_model(folder / "custom-model.onnx")
    (folder / "freehold.yaml").write_text(
        "models: [{id: custom-model, source: custom-model.onnx, input_shape: [1, 16, 1024]}]"
    )
    running = serve()
    assert running.process.wait(60) == 1
    told = running.err.read_text()
    assert "[1, 16, 1024]" in told
    assert "[-1, 32, 1024]" in told
    assert "input_shape_mismatch" in told
