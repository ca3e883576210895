"""Requests for a model that sleeps, over HTTP."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.server import loader
from freehold.server import served as served_module
from freehold.server.models import Served
from freehold.server.served import Terms
from tests.server.conftest import running, served, wait_ready, write_identity


@pytest.fixture
def sleepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A model that sleeps as soon as it may."""
    monkeypatch.setattr(served_module, "LINGER_S", 0.02)
    one = served("m", write_identity(tmp_path / "m.onnx", "FP32"))
    one.terms = Terms(keep_alive_s=0.05)
    return one


def test_a_sleeping_model_answers_every_request(sleepy: Served) -> None:
    """Those at the same time, too; what only asks about it wakes it not."""
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    with running([sleepy]) as url, httpx.Client(base_url=url, timeout=30) as client:
        wait_ready(client)
        state = ""
        while state != "asleep":
            (row,) = client.get("/readyz").json()["models"]
            state = row["state"]
        assert client.get("/readyz").status_code == 200
        assert client.get("/v2/models/m/ready").json() == {"name": "m", "ready": True}
        assert client.get("/v2/models/m").json()["inputs"][0]["name"] == "x"
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["m"]
        assert client.post("/v2/repository/index").json()[0]["state"] == "READY"
        assert 'freehold_model_ready{model="m"} 1.0' in client.get("/metrics").text.splitlines()
        assert client.get("/readyz").json()["models"][0]["state"] == "asleep"

        async def together() -> list[int]:
            async with httpx.AsyncClient(base_url=url, timeout=30) as asking:
                answers = (asking.post("/v2/models/m/infer", json=body) for _ in range(8))
                return [answer.status_code for answer in await asyncio.gather(*answers)]

        assert asyncio.run(together()) == [200] * 8


@pytest.fixture
def drowsy(
    model_paths: dict[str, Path], talker_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str, Any], httpx.Response]]:
    """Asks a node whose models for texts sleep as soon as they may, once the one that is meant does."""
    monkeypatch.setattr(served_module, "LINGER_S", 0.02)
    monkeypatch.setattr(served_module, "reclaim", lambda: None)  # walks all that the tests have made
    monkeypatch.setattr(loader, "LOOK_S", 0.01)
    paths = {"talker": talker_path, **{name: model_paths[name] for name in ("tiny", "judge")}}
    models = {name: served(name, path) for name, path in paths.items()}
    for one in models.values():
        one.terms = Terms(keep_alive_s=0.05)
    with running(list(models.values())) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        wait_ready(client)

        def ask(model: str, path: str, body: Any) -> httpx.Response:
            while models[model].state != "asleep":
                time.sleep(0.01)
            return client.post(path, json=body)

        yield ask


def test_models_for_texts_are_woken_by_every_family_of_calls(drowsy: Callable[[str, str, Any], httpx.Response]) -> None:
    """Named or the only one of its kind, whole or as a stream: the answer waits for the load."""
    said = {"model": "talker", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    for model, path, body in (
        ("talker", "/v1/chat/completions", {**said, "stream": True}),
        ("tiny", "/v1/embeddings", {"model": "tiny", "input": "hello"}),
        ("judge", "/v1/rerank", {"model": "judge", "query": "hello", "documents": ["hello"]}),
        ("tiny", "/embed", {"inputs": "hello"}),
        ("talker", "/v2/models/talker/generate", {"text_input": "hello", "max_tokens": 2}),
    ):
        answer = drowsy(model, path, body)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.text
