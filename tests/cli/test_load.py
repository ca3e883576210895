"""`freehold load`, `freehold unload` and `freehold config apply`, against servers of their own."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Freehold = Callable[..., Any]
Serve = Callable[..., Any]

MB = 1 << 20
ROW = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 16], "data": [0.5] * 16}]}


def infer(running: Any, model: str) -> int:
    status: int = running.ask("POST", f"/v2/models/{model}/infer", ROW)[0]
    return status


def write_heavy(path: Path, megabytes: int) -> Path:
    """[n, 16] -> [n, 1], by weights of that size."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])
    weights = numpy_helper.from_array(np.ones((16, megabytes * MB // 64), np.float32), "w")
    axis = helper.make_node("ReduceMax", ["wide"], ["y"], axes=[1])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["wide"]), axis], "heavy", [x], [y], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def resident(pid: int) -> int:
    """Bytes of memory that a process has, mapped weights among them."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def test_a_model_loaded_at_run_time_stays_until_it_is_unloaded(
    freehold: Freehold, serve: Serve, mlp: Path, other_mlp: Path, folder: Path
) -> None:
    """It comes back after a restart, `ps` shows whose wish it is, and the file's models know nothing of it."""
    (folder / "freehold.yaml").write_text(f"models:\n  - {{id: mlp, source: {mlp}}}\n")
    running = serve()
    url = running.banner["url"]
    loaded = freehold("load", "other", "--source", "other.onnx", "--set", "pin=true", "--url", url)
    assert (loaded.code, loaded.out) == (0, "other: ready\n")
    assert [infer(running, name) for name in ("mlp", "other")] == [200, 200]
    rows = freehold("ps", "--url", url, "--json").data["models"]
    assert [(row["id"], row["origin"], row["state"]) for row in rows] == [
        ("mlp", "file", "ready"),
        ("other", "runtime", "ready"),
    ]
    assert running.leave() == 0
    running = serve()
    url = running.banner["url"]
    assert infer(running, "other") == 200
    follows = freehold("load", "mlp", "--set", "pin=true", "--url", url, "--json")
    assert (follows.code, follows.error["code"]) == (1, "server_refused")
    assert "freehold config apply" in follows.error["cause"]
    assert freehold("unload", "other", "--url", url).code == 0
    assert [infer(running, name) for name in ("mlp", "other")] == [200, 404]
    assert list((folder / "home" / "loaded").iterdir()) == []
    assert running.leave() == 0


def test_a_name_in_both_is_settled_by_whoever_made_it(
    freehold: Freehold, serve: Serve, mlp: Path, other_mlp: Path, folder: Path
) -> None:
    """A running server keeps to what is in force, a start is refused; either way it is said how to go on."""
    config = folder / "freehold.yaml"
    config.write_text(f"models:\n  - {{id: mlp, source: {mlp}}}\n")
    running = serve()
    url = running.banner["url"]
    assert freehold("load", "other", "--source", str(other_mlp), "--url", url).code == 0
    config.write_text(f"models:\n  - {{id: mlp, source: {mlp}}}\n  - {{id: other, source: {other_mlp}}}\n")
    refused = freehold("config", "apply", "--url", url, "--json")
    assert (refused.code, refused.error["code"]) == (1, "config_not_taken")
    assert "also loaded while the server ran" in refused.error["cause"]
    assert infer(running, "other") == 200
    assert running.leave() == 0
    again = serve()
    assert again.process.wait(60) == 1
    assert "model_in_both" in again.err.read_text()
    assert freehold("unload", "other", "--kept").out == "other: forgotten\n"
    assert freehold("unload", "other", "--kept", "--json").error["code"] == "model_not_kept"
    running = serve()
    assert {row["id"] for row in running.banner["models"]} == {"mlp", "other"}


def test_a_changed_file_is_applied_without_a_restart(
    freehold: Freehold, serve: Serve, mlp: Path, other_mlp: Path, folder: Path
) -> None:
    """Models come and go, a broken one is told and takes no other down; SIGHUP does the same as the file's change."""
    config = folder / "freehold.yaml"
    config.write_text(f"models:\n  - {{id: one, source: {mlp}}}\n  - {{id: two, source: {mlp}}}\n")
    running = serve()
    url = running.banner["url"]
    config.write_text(f"models:\n  - {{id: one, source: {mlp}}}\n  - {{id: three, source: {other_mlp}}}\n")
    applied = freehold("config", "apply", "--url", url, "--json")
    assert (applied.code, [row["state"] for row in applied.data["models"]]) == (0, ["ready", "ready"])
    assert [infer(running, name) for name in ("one", "two", "three")] == [200, 404, 200]
    (folder / "bad.onnx").write_bytes(b"no graph")
    config.write_text(config.read_text() + "  - {id: bad, source: bad.onnx}\n")
    os.kill(running.process.pid, signal.SIGHUP)
    broken = freehold("config", "apply", "--url", url, "--json")
    assert broken.code == 1
    bad = next(row for row in broken.data["models"] if row["id"] == "bad")
    index = running.ask("POST", "/v2/repository/index")[1]
    told = next(row for row in index if row["name"] == "bad")
    assert (bad["state"], told["state"]) == ("failed", "UNAVAILABLE")
    assert told["reason"] == bad["error"]["cause"]
    assert told["reason"] in running.err.read_text()
    assert running.ask("GET", "/readyz")[0] == 200
    assert [infer(running, name) for name in ("one", "three", "bad")] == [200, 200, 503]
    assert running.leave() == 0


def test_memory_is_given_back(freehold: Freehold, serve: Serve, mlp: Path, folder: Path) -> None:
    """After an unload the process is as small as before the load, but for what an allocator keeps."""
    heavy = write_heavy(folder / "heavy.onnx", 96)
    running = serve(mlp)
    url = running.banner["url"]
    before = resident(running.process.pid)
    assert freehold("load", "heavy", "--source", str(heavy), "--url", url).code == 0
    assert resident(running.process.pid) - before > 64 * MB
    assert infer(running, "heavy") == 200
    assert freehold("unload", "heavy", "--url", url).code == 0
    assert resident(running.process.pid) - before < 24 * MB
    assert running.leave() == 0
