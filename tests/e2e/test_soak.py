"""Hours in minutes: memory and descriptors stay where they were, whatever goes on. `FREEHOLD_SOAK_S` sets the length.

Every test warms up for a third of its length, looks, goes on, and looks again; its line at the end of the run says
what was seen.
"""

import json
import os
import random
import signal
import socket
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.conftest import Unruly

pytestmark = pytest.mark.soak

SECONDS = float(os.environ.get("FREEHOLD_SOAK_S", "120"))
GROWTH_MB = 24  # between the two looks; a leak of 1 KB a request would be a hundred times that in the full length
GROWTH_FILES = 8
WORDS = ["land", "held", "outright", "数据", "不出域", "freehold", "of", "the", "antidisestablishmentarianism"]


class Watch:
    """Memory and descriptors of a server after its warm-up and at the end."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self.mb = [node.rss_mb()]
        self.files = [node.open_files()]

    def look(self) -> None:
        """Once more."""
        self.mb.append(self._node.rss_mb())
        self.files.append(self._node.open_files())

    def __str__(self) -> str:
        return (
            f"memory {self.mb[0]:.0f} MB after warm-up, {self.mb[-1]:.0f} MB at the end (most {max(self.mb):.0f}),"
            f" descriptors {self.files[0]} and {self.files[-1]}"
        )

    def check(self) -> None:
        """Neither grew."""
        assert self.mb[-1] - self.mb[0] < GROWTH_MB, str(self)
        assert self.files[-1] - self.files[0] < GROWTH_FILES, str(self)


def watched(node: Any, each: Any = lambda: time.sleep(1)) -> Watch:
    """Repeat `each` for the whole length; the first third is warm-up."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS / 3:
        each()
    watch = Watch(node)
    while time.monotonic() - began < SECONDS:
        each()
        watch.look()
    return watch


def texts(turn: int) -> bytes:
    """One to sixteen texts of heavy-tailed lengths, now and then one of 100,000 characters."""
    chance = random.Random(turn)
    count = chance.choice([1, 1, 1, 2, 5, 16])
    many = [" ".join(chance.choices(WORDS, k=int(chance.lognormvariate(3, 1.2)) % 400)) for _ in range(count)]
    if turn % 500 == 499:
        many.append("land " * 20_000)
    return json.dumps({"input": many}).encode()


def percentiles(seconds: list[float]) -> str:
    """Half and 99 of 100 were answered within so many milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms"


def test_memory_stays_flat_under_texts_of_every_length(
    launch: Any, crowd: Any, minilm_folder: Path, report: Any
) -> None:
    """MiniLM, tuned as users have it, under shapes that never repeat."""
    node = launch(minilm_folder)
    with crowd(node, "/v1/embeddings", texts, 16) as one:
        watch = watched(node)
    assert set(one.tally.statuses) == {200}
    report(f"texts of every length: {one.tally.statuses[200]} requests in {SECONDS:.0f} s, {watch}")
    watch.check()


def test_memory_stays_flat_under_tensors_of_every_shape(
    launch: Any, crowd: Any, write_onnx: Any, tmp_path: Path, report: Any
) -> None:
    """A graph with two free dimensions, from one number to half a megabyte."""
    path = write_onnx(tmp_path / "free.onnx", "soft (float[n, m] x) => (float[n, m] y) { y = Softmax<axis = 1>(x) }")

    def tensor(turn: int) -> bytes:
        rows, columns = 1 + turn * 7 % 33, 1 + turn * 13 % 401
        data = [0.5] * (rows * columns)
        return json.dumps(
            {"inputs": [{"name": "x", "shape": [rows, columns], "datatype": "FP32", "data": data}]}
        ).encode()

    node = launch(path)
    with crowd(node, "/v2/models/free/infer", tensor, 8) as one:
        watch = watched(node)
    assert set(one.tally.statuses) == {200}
    report(f"tensors of every shape: {one.tally.statuses[200]} requests in {SECONDS:.0f} s, {watch}")
    watch.check()


def test_an_overload_for_minutes_changes_nothing(launch: Any, crowd: Any, minilm_folder: Path, report: Any) -> None:
    """Ten times what the strict profile admits: those inside stay fast, the others are refused, memory stays."""
    limits = {"concurrency": 4, "queue": 4, "deadline_s": 20}
    node = launch({"models": [{"id": "minilm", "source": str(minilm_folder), "limits": limits}]})
    body = json.dumps({"model": "minilm", "input": "land held outright " * 20}).encode()
    with crowd(node, "/v1/embeddings", lambda _: body, 8) as alone:
        alone.wait_for(300)
    with crowd(node, "/v1/embeddings", lambda _: body, 80) as one:
        watch = watched(node)
    tally = one.tally
    assert set(tally.statuses) == {200, 429}
    assert tally.broken == []
    report(
        f"ten times too much: {tally.statuses[200]} answered ({percentiles(tally.seconds)}; without overload"
        f" {percentiles(alone.tally.seconds)}), {tally.statuses[429]} refused in {SECONDS:.0f} s, {watch}"
    )
    watch.check()


def test_kills_in_a_loop_cost_no_answer(launch: Any, crowd: Any, soon: Any, minilm_folder: Path, report: Any) -> None:
    """Every second or so a worker is killed: no connection breaks, and at most those that lost two get a 503."""
    node = launch({"models": [{"id": "minilm", "source": str(minilm_folder), "workers": 2}]}, "--no-tune")
    kills = 0

    def kill() -> None:
        nonlocal kills
        soon(lambda: len(node.workers()) == 2, "two workers")
        time.sleep(random.uniform(0.2, 1.5))
        os.kill(random.choice(node.workers()), signal.SIGKILL)
        kills += 1

    with crowd(node, "/v1/embeddings", texts, 8) as one:
        watch = watched(node, kill)
        soon(lambda: len(node.workers()) == 2, "two workers")
        one.wait_for(20)
    tally = one.tally
    assert set(tally.statuses) <= {200, 503}
    assert tally.broken == []
    report(
        f"kills: {kills} workers killed, {tally.statuses[200]} answered, {tally.statuses[503]} told to retry, {watch}"
    )
    watch.check()


def test_clients_that_come_and_go_leave_nothing_behind(
    launch: Any, soon: Any, graphs: dict[str, Path], minilm_folder: Path, report: Any
) -> None:
    """Connections dropped before, within and after a request: every place, byte and descriptor comes back."""
    node = launch({"models": [{"id": "minilm", "source": str(minilm_folder)}]}, "--no-tune")
    gone = 0

    def drop() -> None:
        nonlocal gone
        for turn in range(50):
            body = texts(gone)
            whole = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            with socket.create_connection(node.address, timeout=30) as client:
                client.sendall(whole[: len(whole) * (turn % 5) // 4])
                if turn % 7 == 0:
                    client.shutdown(socket.SHUT_WR)
            gone += 1
        soon(lambda: node.metric("freehold_model_requests_in_flight", model="minilm") == 0, "places come back")

    watch = watched(node, drop)
    assert node.metric("freehold_request_memory_used_bytes") == 0
    assert node.ask("/v1/embeddings", input="x").status_code == 200
    report(f"clients that go: {gone} connections dropped, {watch}")
    watch.check()


def test_a_gateway_whose_servers_and_routes_come_and_go_stays_as_it_is(
    launch: Any, crowd: Any, soon: Any, tmp_path: Path, report: Any
) -> None:
    """One of two servers is killed every few seconds, the file is written anew each second, half of the answers are
    streams, and some clients leave in the middle: nothing is lost that could be kept, and nothing stays behind."""
    servers = [Unruly(models=[{"id": "theirs"}]) for _ in range(2)]
    file, turns = tmp_path / "freehold.yaml", 0

    def write() -> None:
        models = [{"id": "theirs", "source": servers[0].url, "replicas": [servers[1].url]}]
        routes = [{"model": f"route-{number}", "to": [{"id": "theirs"}]} for number in range(turns % 5 + 1)]
        aside = file.with_suffix(".new")
        aside.write_text(yaml.safe_dump({"models": models, "routes": routes}))
        aside.replace(file)

    def body(turn: int) -> bytes:
        stream = {"kind": "stream", "chunks": ["data: {}\n\n"], "times": 1 + turn % 20}
        behave = stream if turn % 2 else {"kind": "echo"}
        return json.dumps({"model": "route-0", "behave": behave, "prompt": "land " * (turn % 400)}).encode()

    def disturb() -> None:
        nonlocal turns
        turns += 1
        write()
        with socket.create_connection(node.address, timeout=30) as client:
            endless = body(1).replace(b'"times": 2', b'"times": 9999')
            head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            client.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(endless), endless))
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        if turns % 3 == 0:
            servers[turns // 3 % 2].stop()
            time.sleep(0.5)
            servers[turns // 3 % 2].start()
        time.sleep(0.5)

    try:
        write()
        node = launch(file, verb="gateway")
        soon(lambda: node.client.get("/readyz").status_code == 200, "it is ready")
        with crowd(node, "/v1/completions", body, 8, check=lambda answer: b"upstream_cut" not in answer) as one:
            watch = watched(node, disturb)
            one.wait_for(20)
        soon(lambda: node.metric("freehold_model_requests_in_flight", model="theirs") == 0, "places come back")
        cut = len(one.tally.wrong)
        lost = {status: count for status, count in one.tally.statuses.items() if status != 200}
        assert set(lost) <= {502}, one.tally.refusals[:3]  # a whole answer that was on its way when its server died
        assert sum(lost.values()) + cut <= 8 * turns, "no more than were under way at a server that was killed"
        assert one.tally.broken == []
        assert node.metric("freehold_request_memory_used_bytes") == 0
        report(
            f"servers and routes that come and go: {one.tally.statuses[200]} answers in {SECONDS:.0f} s, {turns} files,"
            f" {turns // 3} kills cut {cut} streams and {sum(lost.values())} answers, {watch}"
        )
        watch.check()
    finally:
        for server in servers:
            server.stop()
