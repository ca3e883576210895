"""Answers that are sent while they are made: their bytes, their end, and what a client can do to them."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from freehold.http import Bounds

FRAME = b"data: x\n\n"
LARGE = 1 << 16


def begin(client: Any, query: str, version: str = "1.1", method: str = "GET", path: str = "/v1/stream") -> None:
    client.send(f"{method} {path}?{query} HTTP/{version}\r\nHost: t\r\n\r\n".encode())


def test_frames_leave_one_chunk_each(live: Any) -> None:
    """An event stream with its charset, nothing held back between here and the client, the empty chunk at the end."""
    client = live.connect()
    begin(client, "before=3")
    status, headers = client.head()
    assert status == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert headers["x-own"] == "1"
    assert headers["x-request-id"]
    assert [client.chunk() for _ in range(4)] == [FRAME, FRAME, FRAME, b""]


def test_a_frame_leaves_before_the_next_is_made(serving: Callable[..., Any], house: Any) -> None:
    """The first is here while the second waits."""
    one = serving()
    client = one.connect()
    begin(client, "before=1&wait=1&after=1")
    client.head()
    assert client.chunk() == FRAME
    assert house.made == 1
    house.release()
    assert [client.chunk(), client.chunk()] == [FRAME, b""]


def test_the_connection_serves_on_after_a_stream(live: Any) -> None:
    """Keep-alive, and a request that was pipelined behind the stream."""
    client = live.connect()
    begin(client, "before=1")
    begin(client, "before=2")
    for count in (1, 2):
        client.head()
        assert [client.chunk() for _ in range(count + 1)] == [*[FRAME] * count, b""]
    assert client.ask("GET", "/livez").status == 200


def test_http_1_0_reads_to_the_end_of_the_connection(live: Any) -> None:
    """No chunks, which it does not know."""
    client = live.connect()
    begin(client, "before=2", version="1.0")
    _, headers = client.head()
    assert "transfer-encoding" not in headers
    assert headers["connection"] == "close"
    assert client.rest() == FRAME * 2


def test_head_makes_no_frame(serving: Callable[..., Any], house: Any) -> None:
    """The head alone; the stream is closed before it began, and the connection goes on."""
    client = serving().connect()
    begin(client, "before=5", method="HEAD")
    status, headers = client.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert house.made == 0
    assert client.ask("GET", "/livez").status == 200


def test_a_stream_without_frames_is_an_empty_answer(live: Any) -> None:
    """It has a head and an end."""
    client = live.connect()
    begin(client, "before=0")
    assert client.head()[0] == 200
    assert client.chunk() == b""


@pytest.mark.parametrize(("fail", "status", "code"), [("refused", 503, "model_loading"), ("broken", 500, "internal")])
def test_a_failure_before_the_first_frame_is_an_ordinary_answer(live: Any, fail: str, status: int, code: str) -> None:
    """With its status, so that clients and gateways can try elsewhere."""
    answer = live.ask("GET", f"/v1/stream?fail={fail}&after=3")
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert b"secret" not in answer.body


def test_a_failure_after_the_first_frame_is_a_frame(fresh: Any) -> None:
    """One JSON object with `error`, then the end; it is counted, and the connection goes on."""
    client = fresh.connect()
    begin(client, "before=1&fail=refused")
    client.head()
    assert client.chunk() == FRAME
    last = client.chunk()
    assert last.startswith(b"data: {")
    assert last.endswith(b"}\n\n")
    assert json.loads(last[6:])["error"]["code"] == "model_loading"
    assert client.chunk() == b""
    assert client.ask("GET", "/livez").status == 200
    assert 'freehold_errors_total{code="model_loading"} 1.0' in fresh.metrics()


def test_a_failing_frame_speaks_the_dialect_of_its_path(live: Any) -> None:
    """The Open Inference Protocol's error is a text."""
    client = live.connect()
    begin(client, "before=1&fail=refused", path="/v2/stream")
    client.head()
    client.chunk()
    assert "model_loading" in json.loads(client.chunk()[6:])["error"]


def test_other_content_that_fails_is_cut_short(live: Any) -> None:
    """There is no frame for errors in sound: the client sees a body without its end."""
    client = live.connect()
    begin(client, "before=1&fail=refused&plain=1")
    _, headers = client.head()
    assert headers["content-type"] == "audio/mpeg"
    assert "cache-control" not in headers
    assert client.chunk() == FRAME
    assert client.rest() == b""


def test_comments_come_while_nothing_else_does(serving: Callable[..., Any], house: Any) -> None:
    """Before the first frame too: the head is out then, and a failure becomes a frame."""
    client = serving(ping_s=0.05).connect()
    begin(client, "wait=1&fail=refused")
    assert client.head()[0] == 200
    assert [client.chunk(), client.chunk()] == [b": ping\n\n"] * 2
    house.release()
    chunks = iter(client.chunk, b"")
    failures = [chunk for chunk in chunks if chunk != b": ping\n\n"]
    assert [json.loads(chunk[6:])["error"]["code"] for chunk in failures] == ["model_loading"]


def test_other_content_gets_no_comments(serving: Callable[..., Any], house: Any) -> None:
    """They would be noise in sound."""
    client = serving(ping_s=0.01).connect()
    begin(client, "before=1&wait=1&plain=1")
    client.head()
    assert client.chunk() == FRAME
    time.sleep(0.1)
    house.release()
    assert client.chunk() == b""


@pytest.mark.parametrize("query", ["before=1&wait=1", "wait=1"])
def test_a_client_that_leaves_ends_its_stream(
    serving: Callable[..., Any], house: Any, eventually: Callable[..., None], query: str
) -> None:
    """Whether or not something was sent: the frames are cancelled and closed, and the request is counted as left."""
    one = serving()
    client = one.connect()
    begin(client, query)
    assert house.waiting.wait(20)
    client.close()
    assert house.cancelled.wait(20)
    assert house.closed.wait(20)
    eventually(lambda: one.app.in_flight == 0)
    eventually(lambda: 'freehold_requests_total{route="/v1/stream",status="499"} 1.0' in one.metrics())


def test_a_slow_reader_holds_the_frames_back(
    serving: Callable[..., Any], connect: Callable[..., Any], house: Any, eventually: Callable[..., None]
) -> None:
    """No more is made than buffers hold; when it reads on, everything comes."""
    one = serving()
    client = connect(one.port, 4096)
    begin(client, f"before=1000&size={LARGE}")
    eventually(lambda: house.made > 0)
    seen = -1
    while house.made != seen:  # until nothing more is made
        seen = house.made
        time.sleep(0.1)
    assert seen < 200
    client.head()
    assert sum(len(client.chunk()) for _ in range(1000)) == 1000 * LARGE
    assert client.chunk() == b""


def test_a_reader_that_never_reads_is_left(
    serving: Callable[..., Any], connect: Callable[..., Any], house: Any
) -> None:
    """After `stalled_s` its connection ends, and its stream with it."""
    one = serving(bounds=Bounds(stalled_s=0.2))
    client = connect(one.port, 4096)
    begin(client, f"before=1000&size={LARGE}")
    assert house.closed.wait(20)
    assert house.made < 1000


def test_a_stream_is_finished_before_the_server_leaves(serving: Callable[..., Any], house: Any) -> None:
    """Within the grace time."""
    one = serving()
    client = one.connect()
    begin(client, "before=1&wait=1&after=1")
    client.head()
    client.chunk()
    assert house.waiting.wait(20)
    one.listener.should_exit = True
    house.release()
    assert [client.chunk(), client.chunk()] == [FRAME, b""]
    assert client.closed()


def test_a_stream_that_outlasts_the_grace_time_hears_so(serving: Callable[..., Any], house: Any) -> None:
    """An error frame says that it was cut, then the end."""
    one = serving()
    client = one.connect()
    begin(client, "before=1&wait=1")
    client.head()
    client.chunk()
    assert house.waiting.wait(20)
    one.listener.should_exit = True
    assert json.loads(client.chunk()[6:])["error"]["code"] == "shutdown_cut"
    assert client.chunk() == b""
    assert house.closed.is_set()


def test_duration_and_first_frame_are_counted(fresh: Any) -> None:
    """The duration ends with the stream; comments are no frame."""
    client = fresh.connect()
    begin(client, "before=2")
    client.head()
    while client.chunk():
        pass
    text = fresh.metrics()
    for family in ("freehold_first_frame_seconds", "freehold_request_duration_seconds"):
        assert re.search(rf'{family}_count{{route="/v1/stream"}} 1.0', text), text


def test_a_stream_is_in_flight_until_its_end(serving: Callable[..., Any], house: Any) -> None:
    """What it was asked with counts against the memory budget as long."""
    one = serving()
    client = one.connect()
    begin(client, "before=1&wait=1")
    client.head()
    client.chunk()
    assert house.waiting.wait(20)
    assert one.app.in_flight == 1
    house.release()
    assert client.chunk() == b""
