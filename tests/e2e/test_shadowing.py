"""A shadow of a route, from the configuration to its report."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import numpy as np
import pytest

UNRULY = Path(__file__).parents[1] / "gateway" / "unruly.py"
ROW = [1.0, 2.0, 3.0]


@pytest.fixture(scope="module")
def models(write_onnx: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`old` gives x back, and `new` too, but for its second column, which it shifts by 0.25."""
    folder = tmp_path_factory.mktemp("models")
    shift = np.array([0.0, 0.25, 0.0], np.float32)
    head = "(float[n, 3] x) => (float[n, 3] y)"
    return {
        "old": write_onnx(folder / "old.onnx", f"old {head} {{ y = Identity(x) }}"),
        "new": write_onnx(folder / "new.onnx", f"new {head} {{ y = Add(x, w) }}", w=shift),
    }


def routed(models: Mapping[str, object], shadow: str, **settings: object) -> dict[str, Any]:
    listed = [{"id": name, "source": str(path)} for name, path in models.items()]
    return {
        "models": listed,
        "routes": [{"model": "pick", "to": [{"id": "old"}], "shadow": {"id": shadow, **settings}}],
    }


def infer(node: Any, request_id: str, **more: Any) -> httpx.Response:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": ROW}
    headers = {"X-Request-ID": request_id}
    answer: httpx.Response = node.client.post(
        "/v2/models/pick/infer", json={"inputs": [tensor], **more}, headers=headers
    )
    return answer


def test_a_planted_difference_is_in_the_report(
    launch: Any, freehold: Any, soon: Any, models: dict[str, Path], tmp_path: Path
) -> None:
    """In lines, JSON and a page, also of answers in binary; clients see nothing of it."""
    home = tmp_path / "state"
    node = launch(routed(models, "new", compare="numeric", tolerance=0.1), "--no-tune", home=home)
    answer = infer(node, "planted-0")
    assert answer.json()["outputs"][0]["data"] == ROW
    answer = infer(node, "planted-1", parameters={"binary_data_output": True})
    assert np.frombuffer(answer.content[-12:], "<f4").tolist() == ROW
    assert answer.headers["x-freehold-model"] == "old"
    soon(lambda: node.metric("freehold_shadow_differed_total", route="pick") == 2, "both are compared")
    node.leave()
    ended = freehold("rollout", "shadow", "pick", "--json", "--html", tmp_path / "page.html", home=home)
    told = json.loads(ended.out)
    assert (ended.code, told["shadow"], told["compared"], told["kinds"]["tensors"]["differs"]) == (0, "new", 2, 2)
    assert {pair["request_id"] for pair in told["worst"]} == {"planted-0", "planted-1"}
    assert {pair["max_abs"] for pair in told["worst"]} == {0.25}
    assert "planted-1" in (tmp_path / "page.html").read_text()


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a server that lists its model and then answers nothing."""
    settings = json.dumps({"models": [{"id": "new"}], "behave": {"kind": "silence"}})
    process = subprocess.Popen([sys.executable, str(UNRULY), "0", settings], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.soak
def test_clients_do_not_feel_a_shadow(
    launch: Any, crowd: Any, report: Any, models: dict[str, Path], hanging: str, tmp_path: Path
) -> None:
    """None fails, what is held stays bounded, and what was not copied is counted: with a shadow that answers, and with
    one that hangs."""
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": ROW}]}).encode()
    for name, source, percent in (("none", models["new"], 0), ("answers", models["new"], 100), ("hangs", hanging, 100)):
        config = routed({"old": models["old"], "new": source}, "new", percent=percent)
        node = launch(config, "--no-tune", home=tmp_path / name)
        infer(node, "first")
        before = node.rss_mb()
        with crowd(node, "/v2/models/pick/infer", lambda _: body, 8) as one:
            one.wait_for(20_000)
        tally = one.tally
        assert set(tally.statuses) == {200}
        assert tally.broken == []
        assert node.rss_mb() < before + 100
        cuts = quantiles(tally.seconds, n=100)
        compared = node.metric("freehold_shadowed_total", route="pick")
        dropped = node.metric("freehold_shadow_dropped_total", route="pick")
        report(
            f"shadow {name}: {tally.statuses[200]} answers, p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms,"
            f" compared {compared:.0f}, dropped {dropped:.0f}, {node.rss_mb() - before:+.0f} MB"
        )
        node.leave()
