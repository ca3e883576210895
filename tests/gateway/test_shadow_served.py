"""Shadows between real servers: what clients get, what the second model is sent, and what its report finds."""

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.config import Config, ModelConfig, Route, RouteTarget, Shadow
from freehold.gateway.build import build
from freehold.gateway.shadows.shadow import MOST, Shadowing, is_chosen
from freehold.gateway.shadows.shadow_report import Report
from freehold.http import App, Listener, MemoryBudget, bind
from freehold.telemetry import Telemetry

PATIENCE_S = 20.0  # only a broken test waits this long


class Served:
    """A gateway alone whose route `chat` goes to `mine`, with `theirs` as its shadow."""

    def __init__(self, client: httpx.Client, shadowing: Shadowing, shadow: Shadow) -> None:
        self.client = client
        self.shadowing = shadowing
        self._shadow = shadow

    @property
    def report(self) -> Report:
        """As it is by now."""
        return self.shadowing.reports.of("chat", self._shadow, 0.0)

    def settled(self) -> bool:
        """Whether no copy is on its way."""
        return self.shadowing.memory.used == 0


@contextmanager
def serving(mine: str, theirs: str, folder: Path, shadow: Shadow) -> Iterator[Served]:
    telemetry, memory = Telemetry(process=False), MemoryBudget(1 << 26)
    models = (
        ModelConfig(id="mine", source=mine, upstream_model="served-mine"),
        ModelConfig(id="theirs", source=theirs, upstream_model="served-theirs"),
    )
    config = Config(models=models, routes=(Route("chat", (RouteTarget("mine"),), shadow=shadow),))
    gateway = build(config, telemetry, memory, {}, alone=True)
    shadowing = gateway.front.shadows = Shadowing(gateway.front.ask, folder, telemetry)

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with gateway.life(), shadowing.life():
            yield

    app = App(gateway.routes([]), telemetry=telemetry, memory=memory, lifespan=life)
    started = threading.Event()
    server = Listener(app, bind("127.0.0.1", 0), grace_s=2.0, on_ready=lambda _: started.set())
    thread = threading.Thread(target=server.run_all)
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        until(lambda: gateway.upstreams[0].state == "ready")
        with httpx.Client(base_url=server.address.url, trust_env=False, timeout=PATIENCE_S) as client:
            yield Served(client, shadowing, shadow)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert (memory.used, shadowing.memory.used) == (0, 0)


def until(found: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.005)


@pytest.fixture
def served(unruly: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., tuple[Served, Any]]]:
    """`served(mine=..., theirs=...)`: what both servers answer; the gateway and the second server."""
    with ExitStack() as stack:

        def start(mine: Any, theirs: Any, **settings: Any) -> tuple[Served, Any]:
            first = unruly(models=[{"id": "served-mine"}], behave=mine)
            second = unruly(models=[{"id": "served-theirs"}], behave=theirs)
            shadow = Shadow("theirs", **settings)
            return stack.enter_context(serving(first.url, second.url, tmp_path, shadow)), second

        yield start


def answering(value: Any) -> dict[str, Any]:
    return {"kind": "answer", "body": json.dumps(value)}


def vectors(*rows: list[float]) -> dict[str, Any]:
    return answering({"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]})


def ranking(*pairs: tuple[int, float]) -> dict[str, Any]:
    return answering({"results": [{"index": index, "relevance_score": score} for index, score in pairs]})


def saying(*words: str) -> dict[str, Any]:
    frames = [json.dumps({"id": "x", "choices": [{"index": 0, "delta": {"content": word}}]}) for word in words]
    last = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return {"kind": "stream", "chunks": [f"data: {data}\n\n" for data in (*frames, last, "[DONE]")]}


ROWS = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
REFUSAL = {"kind": "answer", "body": "{}", "status": 400}


@pytest.mark.parametrize(
    ("path", "mine", "theirs", "kind", "reason"),
    [
        ("embeddings", vectors(*ROWS), vectors(ROWS[0], [0.8, 0.6], ROWS[2]), "vectors", "numbers"),
        ("rerank", ranking((1, 0.9), (0, 0.4)), ranking((0, 0.9), (1, 0.4)), "scores", "numbers"),
        ("rerank", ranking((1, 0.9), (0, 0.4)), ranking((0, 0.4), (1, 0.9)), "scores", "order"),
        ("chat/completions", saying("the", " sky is", " blue"), saying("the sky", " is", " red"), "text", "text"),
        ("chat/completions", saying("yes"), REFUSAL, "text", "status 200 and 400"),
    ],
)
def test_a_planted_difference_is_found(
    served: Callable[..., Any], path: str, mine: Any, theirs: Any, kind: str, reason: str
) -> None:
    """Under the id of its request, and the client has the first model's answer."""
    node, second = served(mine, theirs)
    answer = node.client.post(f"/v1/{path}", json={"model": "chat", "input": "x"}, headers={"X-Request-ID": "planted"})
    assert answer.status_code == 200
    assert answer.headers["x-freehold-model"] == "mine"
    assert answer.text == (mine["body"] if mine["kind"] == "answer" else "".join(mine["chunks"]))
    until(lambda: node.settled() and node.report.total.count)
    assert [(pair.request_id, pair.kind, pair.reason) for pair in node.report.worst] == [("planted", kind, reason)]
    seen = second.seen()["seen"][-1]
    assert json.loads(seen["body"]) == {"model": "served-theirs", "input": "x"}
    assert (seen["headers"]["x-request-id"], seen["headers"]["x-freehold-shadow"]) == ("planted-shadow", "chat")


def test_equal_streams_in_other_pieces_are_equal(served: Callable[..., Any]) -> None:
    """How a server cuts its answer is no difference."""
    node, _ = served(saying("a", " b", " c"), saying("a b c"), compare="exact")
    node.client.post("/v1/chat/completions", json={"model": "chat", "stream": True})
    until(lambda: node.report.total.count)
    assert node.report.total.equal == 1


def test_a_shadow_that_never_answers_delays_nobody(served: Callable[..., Any]) -> None:
    """Clients are answered one after another while its first copies still hang; the others are dropped."""
    node, second = served(answering({"choices": []}), {"kind": "silence"})
    for _ in range(2 * MOST):
        assert node.client.post("/v1/chat/completions", json={"model": "chat"}).status_code == 200
    until(lambda: len(second.seen()["seen"]) == MOST)
    assert second.seen()["left"] == 0
    assert node.shadowing.memory.used < MOST * 1000
    assert node.report.dropped == {"busy": MOST}


def test_a_shadow_that_is_dead_is_no_concern_of_a_client(served: Callable[..., Any]) -> None:
    """It is counted as failed, request by request."""
    node, second = served(answering({"choices": []}), answering({}))
    second.stop()
    for _ in range(3):
        assert node.client.post("/v1/chat/completions", json={"model": "chat"}).status_code == 200
        until(node.settled)
    failed = node.report.failed
    assert sum(failed.values()) == 3
    assert set(failed) <= {"upstream_unreachable", "replicas_down", "upstream_cut"}


def test_a_client_that_leaves_ends_what_is_heard(served: Callable[..., Any]) -> None:
    """Half an answer is compared with nothing, and nothing of it is kept."""
    endless = {"kind": "stream", "chunks": ["data: {}\n\n"], "times": 100_000, "pause": 0.001}
    node, second = served(endless, answering({}))
    with node.client.stream("POST", "/v1/chat/completions", json={"model": "chat"}) as answer:
        next(answer.iter_raw())
    until(node.settled)
    assert node.report.dropped == {"unanswered": 1}
    assert second.seen()["seen"] == []


def test_only_its_percent_is_copied(served: Callable[..., Any]) -> None:
    """The same requests each time, by their ids."""
    node, second = served(answering({"choices": []}), answering({"choices": []}), percent=30)
    for place in range(30):
        node.client.post("/v1/chat/completions", json={"model": "chat"}, headers={"X-Request-ID": f"r-{place}"})
        until(node.settled)
    copied = {seen["headers"]["x-request-id"] for seen in second.seen()["seen"]}
    assert 0 < len(copied) < 25

    assert copied == {f"r-{place}-shadow" for place in range(30) if is_chosen(f"r-{place}", 30)}
