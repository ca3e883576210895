"""Engine processes are killed; clients hardly notice, and the processes come back."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TEXTS = [f"text {index} " + "word " * (index % 30) for index in range(50)]


def alive(pid: int) -> bool:
    """Whether a process of that id runs: neither gone nor only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def house(launch: Any, minilm_folder: Path) -> Any:
    """MiniLM in two processes, whose ids are known."""
    models = [{"id": "minilm", "source": str(minilm_folder), "workers": 2}]
    node = launch({"models": models}, "--no-tune")
    assert len(node.workers()) == 2
    return node


@pytest.fixture
def body() -> Callable[[int], bytes]:
    """One text a request, of many lengths."""
    return lambda turn: json.dumps({"model": "minilm", "input": TEXTS[turn % len(TEXTS)]}).encode()


def has_vector(answer: bytes) -> bool:
    """An answer with one vector of length 1."""
    (row,) = json.loads(answer)["data"]
    return bool(abs(np.linalg.norm(row["embedding"]) - 1) < 1e-4)


def test_one_killed_worker_costs_nobody_an_answer(
    house: Any, crowd: Any, soon: Any, body: Callable[[int], bytes]
) -> None:
    """kill -9 under load: the other answers on, what the dead one had is done again, a new one comes."""
    first, second = house.workers()
    with crowd(house, "/v1/embeddings", body, 8, check=has_vector) as one:
        one.wait_for(50)
        os.kill(first, signal.SIGKILL)
        one.wait_for(50)
        soon(lambda: len([pid for pid in house.workers() if alive(pid)]) == 2, "a new process is there")
        assert second in house.workers()
        soon(lambda: "engine_restarted" in house.log, "it is told in the log")
        one.wait_for(50)
    assert set(one.tally.statuses) == {200}
    assert one.tally.broken == one.tally.wrong == []
    assert "engine_lost" in house.log


def test_both_killed_at_once_make_clients_wait_not_fail(
    house: Any, crowd: Any, soon: Any, body: Callable[[int], bytes]
) -> None:
    """No engine at all for a second: requests wait for the next one; at most those that lost two are told to retry."""
    with crowd(house, "/v1/embeddings", body, 8, check=has_vector) as one:
        one.wait_for(50)
        for pid in house.workers():
            os.kill(pid, signal.SIGKILL)
        one.wait_for(100)
        soon(lambda: len([pid for pid in house.workers() if alive(pid)]) == 2, "both are back")
    assert set(one.tally.statuses) <= {200, 503}
    assert one.tally.broken == one.tally.wrong == []
    assert all("Send the request again" in message["error"]["message"] for _, message in one.tally.refusals)


def test_metadata_and_tokens_do_not_need_the_workers(house: Any) -> None:
    """`/tei/.../tokenize`, models and readiness come from the front."""
    assert house.ask("/tei/minilm/tokenize", inputs="a freehold").json()[0]
    assert house.client.get("/v1/models/minilm").json()["freehold"]["proof"] == "raw"
    assert house.client.get("/readyz").status_code == 200


def test_workers_answer_what_threads_answer(house: Any, node: Any) -> None:
    """The same vectors as the server without workers, within 1e-5; the same truncation and errors."""
    long = "word " * 5000
    ours = house.ask("/v1/embeddings", model="minilm", input=[*TEXTS, long])
    theirs = node.ask("/v1/embeddings", model="minilm", input=[*TEXTS, long])
    for one, other in zip(ours.json()["data"], theirs.json()["data"], strict=True):
        np.testing.assert_allclose(one["embedding"], other["embedding"], atol=1e-5)
    assert ours.json()["usage"] == theirs.json()["usage"]
    assert ours.headers["x-freehold-truncated"] == theirs.headers["x-freehold-truncated"] == "1"
    wrong = [one.ask("/v1/embeddings", model="minilm", input=[30522]) for one in (house, node)]
    assert wrong[0].status_code == wrong[1].status_code == 400
    assert wrong[0].json()["error"]["code"] == wrong[1].json()["error"]["code"]


def test_tensors_pass_through_workers_unchanged(launch: Any, graphs: dict[str, Path]) -> None:
    """Each datatype, strings among them, between front and engine processes."""
    ids = {"fp32": [[1.5, -0.25, 2.0**100]], "int64": [[2**63 - 1, 0, -1]], "bool": [[True, False, True]]}
    ids |= {"fp64": [[1e300, 0.1, -1]], "bytes": [["数据", "", "\u0000"]]}
    config = {"models": [{"id": name, "source": str(graphs[name]), "workers": 1} for name in ids]}
    node = launch(config, "--no-tune")
    for name, data in ids.items():
        given = {"name": "x", "shape": [1, 3], "datatype": name.upper(), "data": data}
        (output,) = node.ask(f"/v2/models/{name}/infer", inputs=[given]).json()["outputs"]
        assert output["data"] == data[0]


def test_no_worker_outlives_the_server(house: Any, soon: Any) -> None:
    """After a clean end and after kill -9 of the front alike."""
    workers = house.workers()
    house.process.kill()
    house.left(expected=-signal.SIGKILL)
    soon(lambda: not any(map(alive, workers)), "the workers left with their front")


def test_a_worker_that_cannot_load_is_told_like_any_model(launch: Any, freehold: Any, tmp_path: Path) -> None:
    """The cause crosses from the process to the command line."""
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no graph")
    (tmp_path / "freehold.yaml").write_text(json.dumps({"models": [{"id": "bad", "source": str(bad), "workers": 2}]}))
    ended = freehold("serve")
    assert ended.code == 1
    assert "graph_invalid" in ended.err
    assert str(bad) in ended.err
