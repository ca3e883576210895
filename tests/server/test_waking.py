"""Requests for a model that sleeps, over HTTP."""

import asyncio
from pathlib import Path

import httpx
import pytest

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
        assert client.get("/readyz").json()["models"][0]["state"] == "asleep"

        async def together() -> list[int]:
            async with httpx.AsyncClient(base_url=url, timeout=30) as asking:
                answers = (asking.post("/v2/models/m/infer", json=body) for _ in range(8))
                return [answer.status_code for answer in await asyncio.gather(*answers)]

        assert asyncio.run(together()) == [200] * 8
