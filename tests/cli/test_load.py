"""`freehold load`, `freehold unload` and `freehold config apply`, against servers of their own."""

import base64
import os
import signal
from collections.abc import Callable
from hashlib import sha256
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


def audited(freehold: Freehold, what: str) -> list[Any]:
    """What the audit says of such acts, oldest first."""
    lines: list[Any] = freehold("audit", "--what", what, "--json").data["lines"]
    return lines


def listed(running: Any, model: str) -> tuple[str, str]:
    """State and reason of a model in the repository index."""
    row = next(row for row in running.ask("POST", "/v2/repository/index")[1] if row["name"] == model)
    return row["state"], row["reason"]


def test_a_model_loaded_at_run_time_stays_until_it_is_unloaded(
    freehold: Freehold, serve: Serve, mlp: Path, other_mlp: Path, folder: Path
) -> None:
    """It comes back after a restart, and `ps` shows whose wish it is. A name in both is refused, by a server that runs
    and by one that starts, and either word about how to settle it is true."""
    config, kept = folder / "freehold.yaml", folder / "home" / "loaded"
    config.write_text(f"models:\n  - {{id: mlp, source: {mlp}}}\n")
    running = serve()
    url = running.banner["url"]
    loaded = freehold("load", "other", "--source", "other.onnx", "--set", "pin=true", "--url", url)
    assert (loaded.code, loaded.out) == (0, "other: ready\n")
    rows = freehold("ps", "--url", url, "--json").data["models"]
    assert [(row["id"], row["origin"], row["state"]) for row in rows] == [
        ("mlp", "file", "ready"),
        ("other", "runtime", "ready"),
    ]
    assert running.leave() == 0
    running = serve()
    url = running.banner["url"]
    assert [infer(running, name) for name in ("mlp", "other")] == [200, 200]
    follows = freehold("load", "mlp", "--set", "pin=true", "--url", url, "--json")
    assert (follows.code, follows.error["code"]) == (1, "server_refused")
    assert "freehold config apply" in follows.error["cause"]
    config.write_text(config.read_text() + f"  - {{id: other, source: {other_mlp}}}\n")
    refused = freehold("config", "apply", "--url", url, "--json")
    assert (refused.code, refused.error["code"]) == (1, "config_not_taken")
    assert "also loaded while the server ran" in refused.error["cause"]
    assert infer(running, "other") == 200
    assert freehold("unload", "other", "--url", url).code == 0
    assert infer(running, "other") == 404
    assert list(kept.iterdir()) == []
    applied = freehold("config", "apply", "--url", url, "--json")  # the file is the same, and what it lacked is there
    assert (applied.code, [row["state"] for row in applied.data["models"]]) == (0, ["ready", "ready"])
    assert freehold("load", "late", "--source", str(other_mlp), "--url", url).code == 0
    assert running.leave() == 0
    config.write_text(config.read_text() + f"  - {{id: late, source: {other_mlp}}}\n")
    again = serve()
    assert again.process.wait(60) == 1
    assert "model_in_both" in again.err.read_text()
    assert freehold("unload", "late", "--kept").out == "late: forgotten\n"
    assert freehold("unload", "late", "--kept", "--json").error["code"] == "model_not_kept"
    assert list(kept.iterdir()) == []
    lines = freehold("audit", "--json").data["lines"]
    asked, loaded, unloaded = (
        next(line for line in lines if (line["what"], line["outcome"]) == act)
        for act in (("model.load", "asked"), ("model.load", "done"), ("model.unload", "done"))
    )
    assert ("digest" in asked, "who" in loaded, loaded["digest"]) == (False, False, unloaded["digest"])
    outcomes = {(line["what"], line["outcome"]) for line in lines}
    assert outcomes >= {("model.forget", "done"), ("config.apply", "config_not_taken"), ("server.stop", "done")}
    assert freehold("audit", "--verify").code == 0
    used = freehold("usage", "--by", "model", "--json").data["usage"]
    assert ("mlp", 1) in [(row["model"], row["requests"]) for row in used]


def test_a_running_server_takes_a_changed_file_and_keeps_to_its_memory(
    freehold: Freehold, serve: Serve, mlp: Path, other_mlp: Path, folder: Path
) -> None:
    """Models come and go, a broken one is told in the same words everywhere and takes no other down; what is loaded
    beyond the bound puts another to sleep, which the next request wakes; memory of what is unloaded is given back."""
    config, heavy = folder / "freehold.yaml", write_heavy(folder / "heavy.onnx", 96)
    begun = "limits: {models_mb: 150}\nmodels:\n"
    config.write_text(f"{begun}  - {{id: one, source: {mlp}}}\n  - {{id: two, source: {mlp}}}\n")
    running = serve()
    url = running.banner["url"]
    config.write_text(f"{begun}  - {{id: one, source: {mlp}}}\n  - {{id: three, source: {other_mlp}}}\n")
    applied = freehold("config", "apply", "--url", url, "--json")
    assert (applied.code, [row["state"] for row in applied.data["models"]]) == (0, ["ready", "ready"])
    assert [infer(running, name) for name in ("one", "two", "three")] == [200, 404, 200]

    digest = sha256(config.read_bytes()).hexdigest()

    (folder / "bad.onnx").write_bytes(b"no graph")
    config.write_text(config.read_text() + "  - {id: bad, source: bad.onnx}\nserver: {grace_s: 9}\n")
    os.kill(running.process.pid, signal.SIGHUP)
    broken = freehold("config", "apply", "--url", url, "--json")
    assert broken.code == 1
    assert [(row["code"], "`server`" in row["cause"]) for row in broken.data["troubles"]] == [
        ("config_needs_restart", False)
    ]
    bad = next(row for row in broken.data["models"] if row["id"] == "bad")
    assert (bad["state"], listed(running, "bad")) == ("failed", ("UNAVAILABLE", bad["error"]["cause"]))
    assert bad["error"]["cause"] in freehold("ps", "--url", url).out
    assert bad["error"]["cause"] in running.err.read_text()
    assert running.ask("GET", "/readyz")[0] == 200
    assert [infer(running, name) for name in ("one", "three", "bad")] == [200, 200, 503]

    corrupt = {"parameters": {"file:1/model.onnx": base64.b64encode(b"no graph").decode()}}
    status, told = running.ask("POST", "/v2/repository/models/sent/load", corrupt)
    assert (status, listed(running, "sent")[0]) == (400, "UNAVAILABLE")
    assert listed(running, "sent")[1] in told["error"]
    assert list((folder / "home" / "loaded").iterdir()) == []

    before = resident(running.process.pid)
    assert freehold("load", "heavy", "--source", str(heavy), "--url", url).code == 0
    assert resident(running.process.pid) - before > 64 * MB
    assert freehold("load", "other", "--source", str(heavy), "--url", url).code == 0
    assert "heavy is not in memory: other needed its memory." in listed(running, "heavy")
    assert (infer(running, "heavy"), "other" in listed(running, "other")[1]) == (200, True)
    for model in ("heavy", "other"):
        assert freehold("unload", model, "--url", url).code == 0
    assert resident(running.process.pid) - before < 24 * MB
    assert running.leave() == 0
    assert audited(freehold, "config.reload")[0]["details"]["sha256"] == digest
