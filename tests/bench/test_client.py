"""The closed loop sends exactly what it was told to, and counts what came back."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.client import Job, send


class Echo(BaseHTTPRequestHandler):
    """Answers a body with itself; the status is the body's where it is a number, "slow" gets no answer."""

    protocol_version = "HTTP/1.1"
    connections: list[object]

    def setup(self) -> None:
        self.connections.append(self.client_address)
        super().setup()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"slow":
            threading.Event().wait(2)
            self.close_connection = True
            return
        self.send_response(int(body) if body.isdigit() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an echo server."""
    Echo.connections = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def job(port: int, bodies: list[bytes], requests: int, **more: float | bool) -> Job:
    return Job(port, "/", {}, bodies, concurrency=4, requests=requests, seconds=30.0, **more)  # type: ignore[arg-type] # fields by name


def test_bodies_go_round_until_all_requests_are_answered(port: int) -> None:
    """Ten requests of three bodies: four, three, three; each with a latency and its answer."""
    outcome = send(job(port, [b"a", b"b", b"c"], 10, keep_answers=True))
    assert outcome.answered == {0: 4, 1: 3, 2: 3}
    assert outcome.statuses == {200: 10}
    assert len(outcome.latencies_s) == 10
    assert sorted(outcome.answers) == [b"a"] * 4 + [b"b"] * 3 + [b"c"] * 3
    assert len(Echo.connections) <= 4


def test_a_connection_a_request_where_asked(port: int) -> None:
    """Clients without a session open a connection for every request."""
    send(job(port, [b"a"], 10, new_connections=True))
    assert len(Echo.connections) == 10


def test_refusals_and_timeouts_are_counted_and_are_no_answers(port: int) -> None:
    """A 429 is a status without a latency; an answer that does not come in time is timed out."""
    outcome = send(job(port, [b"429", b"fine", b"slow"], 6, timeout_s=0.5))
    assert outcome.statuses == {429: 2, 200: 2}
    assert outcome.answered == {1: 2}
    assert outcome.timed_out == 2
    assert len(outcome.latencies_s) == 2


def test_a_server_that_is_not_there_is_broken_connections() -> None:
    """Nothing hangs, nothing is answered."""
    outcome = send(job(1, [b"a"], 4))
    assert (outcome.broken, outcome.answered) == (4, {})
