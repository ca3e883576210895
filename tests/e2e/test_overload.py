"""More than a server can do: some are answered, the others refused at once with a reason; places come back."""

import json
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

STEPS_A_MOMENT = 300
STEPS_LONG = 60_000
MOST_MB = 48  # that a server may grow by in an overload: buffers of connections, arenas of threads
MOST_MB_OF_LARGE = 256  # a budget of 32 MB for what waits, and what one request's numbers take while they are read

Row = dict[str, Any]


def infer(steps: int) -> dict[str, Any]:
    """A request of `slow` that multiplies so many times."""
    vector: Row = {"name": "x", "shape": [1, 256], "datatype": "FP32", "data": [0.5] * 256}
    return {"inputs": [{"name": "steps", "shape": [1], "datatype": "INT64", "data": [steps]}, vector]}


def raw_request(node: Any, path: str, message: object) -> bytes:
    """The bytes of a POST."""
    body = json.dumps(message).encode()
    return f"POST {path} HTTP/1.1\r\nHost: {node.address[0]}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def slow_model(graphs: dict[str, Path], **limits: object) -> dict[str, Any]:
    """A configuration of the one model `slow`, run on threads as any model of some size is."""
    return {"models": [{"id": "slow", "source": str(graphs["slow"]), "limits": limits}]}


@pytest.fixture
def busy(launch: Any, soon: Any, graphs: dict[str, Path]) -> Any:
    """A server whose every thread computes for some seconds, and the place where its next request waits."""
    node = launch(slow_model(graphs), "--no-tune")
    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(node.ask, "/v2/models/slow/infer", **infer(STEPS_LONG)) for _ in range(16)]
        soon(lambda: taken_in(node, running) >= len(running), "all are in")
        yield node, running
    assert all(one.result().status_code == 200 for one in running)
    assert in_flight(node) == 0


def in_flight(node: Any) -> float:
    """Requests that hold a place of `slow`."""
    return float(node.metric("freehold_model_requests_in_flight", model="slow"))


def taken_in(node: Any, requests: list[Future[Any]]) -> float:
    """Requests that hold a place or were answered already: on a slow machine the first leaves before the last is in."""
    answered = sum(one.done() for one in requests)  # counted first: who leaves in between is missed, not doubled
    return in_flight(node) + answered


def test_a_client_that_leaves_the_queue_frees_its_place(busy: Any, soon: Any) -> None:
    """Its place and its memory come back while the others still compute, and nobody else is disturbed."""
    node, running = busy
    held = node.metric("freehold_request_memory_used_bytes")
    leaving = [socket.create_connection(node.address) for _ in range(8)]
    for client in leaving:
        client.sendall(raw_request(node, "/v2/models/slow/infer", infer(STEPS_LONG)))
    soon(lambda: taken_in(node, running) >= len(running) + len(leaving), "those who will leave are in")
    for client in leaving:
        client.close()
    soon(lambda: in_flight(node) <= len(running), "their places are free")
    assert not all(one.done() for one in running), "the others were done before the places came back"
    assert node.metric("freehold_request_memory_used_bytes") <= held


def test_health_and_cheap_calls_answer_while_a_model_is_busy(busy: Any) -> None:
    """Probes, metrics and metadata do not wait behind computation."""
    node, running = busy
    for path in ("/livez", "/readyz", "/metrics", "/v2/models/slow", "/v1/models"):
        assert node.client.get(path).status_code == 200
    assert not all(one.done() for one in running)


def test_a_graph_whose_time_depends_on_its_inputs_holds_nobody_up_twice(
    launch: Any, soon: Any, graphs: dict[str, Path]
) -> None:
    """Tuning saw a cheap graph and lets it run within the call; the first long run sends it to the queue for good."""
    node = launch(graphs["slow"])
    assert node.ask("/v2/models/slow/infer", **infer(STEPS_A_MOMENT * 20)).status_code == 200
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(node.ask, "/v2/models/slow/infer", **infer(STEPS_LONG * 3))
        soon(lambda: in_flight(node) == 1, "it is in")
        assert node.client.get("/livez").status_code == 200
        assert not running.done()
    assert running.result().status_code == 200


def test_a_term_signal_lets_what_was_accepted_finish(launch: Any, soon: Any, graphs: dict[str, Path]) -> None:
    """Queued and running requests are answered, new connections are refused, the exit code is 0."""
    node = launch(slow_model(graphs), "--no-tune")
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(node.ask, "/v2/models/slow/infer", **infer(STEPS_LONG)) for _ in range(6)]
        soon(lambda: taken_in(node, running) >= len(running), "all are in")
        assert not all(one.done() for one in running), "nothing was left to finish"
        node.process.terminate()
        assert [one.result().status_code for one in running] == [200] * len(running)
    node.left()
    with pytest.raises(httpx.ConnectError):
        node.client.get("/livez")


def test_requests_that_cannot_finish_within_the_grace_time_are_told_so(
    launch: Any, soon: Any, graphs: dict[str, Path]
) -> None:
    """After `grace_s` those who wait get a 503 to read, and the exit code says that work was cut."""
    node = launch({**slow_model(graphs), "server": {"grace_s": 0.2}}, "--no-tune")
    with ThreadPoolExecutor(12) as pool:
        running = [pool.submit(node.ask, "/v2/models/slow/infer", **infer(STEPS_LONG)) for _ in range(12)]
        soon(lambda: taken_in(node, running) >= len(running), "all are in")
        node.process.terminate()
        statuses = [one.result().status_code for one in running]
    assert set(statuses) <= {200, 503}
    assert 503 in statuses
    assert "requests cut short" in node.left(expected=1)


def test_a_term_signal_while_a_model_loads_does_not_wait_for_it(
    soon: Any, loading: Any, minilm_folder: Path, tmp_path: Path
) -> None:
    """A graph is written and tuned for seconds: the server leaves before it has served anything, with exit code 0."""
    process = loading(minilm_folder, home=tmp_path / "home")
    soon(lambda: any((tmp_path / "home" / "cache").glob("graphs/*.building")), "a graph is being written")
    process.terminate()
    assert process.wait(30) == 0
    assert "Freehold serves" not in (tmp_path / "stdout").read_text()
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_ten_times_too_much_under_the_strict_profile(
    launch: Any, crowd: Any, soon: Any, graphs: dict[str, Path]
) -> None:
    """One line of configuration: who is admitted is answered, the rest get 429 with reason and time; memory stays."""
    node = launch(slow_model(graphs, concurrency=4, queue=4, deadline_s=20, body_mb=1), "--no-tune")
    body = json.dumps(infer(STEPS_A_MOMENT)).encode()
    with crowd(node, "/v2/models/slow/infer", lambda _: body, 8) as warm:
        warm.wait_for(200)
    before = node.rss_mb()
    with crowd(node, "/v2/models/slow/infer", lambda _: body, 80, pause_s=0.05) as one:
        one.wait_for(400)
        one.wait_for(50, status=429)
    tally = one.tally
    assert set(tally.statuses) == {200, 429}
    assert tally.broken == []
    for headers, message in tally.refusals:
        assert int(headers["retry-after"]) >= 1
        assert "queue: 8 requests, limit 8" in message["error"]
        assert "limits.queue" in message["error"]
    assert node.metric("freehold_refused_total", model="slow", reason="queue") == tally.statuses[429]
    assert node.rss_mb() - before < MOST_MB
    soon(lambda: in_flight(node) == 0, "all places are free again")


def test_whoever_would_wait_beyond_the_deadline_is_refused_at_once(
    launch: Any, crowd: Any, soon: Any, graphs: dict[str, Path]
) -> None:
    """Without any count: the expected start decides, and nobody who was let in waits in vain."""
    node = launch(slow_model(graphs, deadline_s=0.2), "--no-tune")
    body = json.dumps(infer(3_000)).encode()
    with crowd(node, "/v2/models/slow/infer", lambda _: body, 60) as one:
        one.wait_for(60)
        one.wait_for(20, status=429)
    tally = one.tally
    assert set(tally.statuses) == {200, 429}
    assert tally.broken == []
    reasons = {message["error"].split("[")[1].rstrip("]") for _, message in tally.refusals}
    assert reasons <= {"overloaded", "deadline_exceeded"}
    assert "overloaded" in reasons
    assert any("limits.deadline_s" in message["error"] for _, message in tally.refusals)
    assert all("retry-after" in headers for headers, _ in tally.refusals)


def test_texts_overload_as_tensors_do(launch: Any, crowd: Any, minilm_folder: Path) -> None:
    """MiniLM under the strict profile, in OpenAI's shape: 429 is a rate limit that names the model."""
    limits = {"concurrency": 2, "queue": 2, "deadline_s": 20}
    node = launch({"models": [{"id": "minilm", "source": str(minilm_folder), "limits": limits}]}, "--no-tune")
    body = json.dumps({"model": "minilm", "input": "land held outright " * 20}).encode()
    with crowd(node, "/v1/embeddings", lambda _: body, 40) as one:
        one.wait_for(100)
        one.wait_for(20, status=429)
    assert set(one.tally.statuses) == {200, 429}
    for _, message in one.tally.refusals:
        assert message["error"]["type"] == "rate_limit_error"
        assert message["error"]["message"].startswith("minilm is full")


def test_large_bodies_are_bounded_by_memory_not_by_count(
    launch: Any, crowd: Any, soon: Any, graphs: dict[str, Path]
) -> None:
    """Sixteen clients with 5 MB each against a budget of 32 MB: some are answered, the rest refused, memory stays."""
    models = [{"id": "fp64", "source": str(graphs["fp64"])}]
    node = launch({"models": models, "limits": {"in_flight_mb": 32}}, "--no-tune")
    given = {"name": "x", "shape": [100_000, 3], "datatype": "FP64", "data": [0.123456789012] * 300_000}
    body = json.dumps({"inputs": [given]}).encode()
    before = node.rss_mb()
    with crowd(node, "/v2/models/fp64/infer", lambda _: body, 16) as one:
        one.wait_for(12)
        one.wait_for(8, status=429)
        during = node.rss_mb()
    assert set(one.tally.statuses) == {200, 429}
    assert one.tally.broken == []
    assert any("limits.in_flight_mb" in message["error"] for _, message in one.tally.refusals)
    assert during - before < MOST_MB_OF_LARGE
    soon(lambda: node.metric("freehold_request_memory_used_bytes") == 0, "all bytes are given back")
