"""Requests and answers passed on as they are; servers that fail in every way, each with its error."""

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from freehold.config import Limits, ModelConfig
from freehold.gateway import proxy

KEY = "the-callers-own-key"
PATIENCE_S = 20.0
FRAME = "data: %s\n\n"


def behave(kind: str, **how: Any) -> dict[str, Any]:
    return {"kind": kind, **how}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_request_arrives_as_it_was_sent(node: Any, shared_unruly: Any) -> None:
    """Unknown fields, digits, order and headers; but for the name, what belongs to one connection, and the key."""
    headers = {
        "Authorization": f"Bearer {KEY}",
        "API-Key": KEY,
        "Cookie": f"session={KEY}",
        "X-Trace": "t-1",
        "X-Request-ID": "mine-1",
        "X-Hop": "drop",
        "Connection": "keep-alive, X-Hop",
        "TE": "trailers",
        "OpenAI-Beta": "assistants=v2",
    }
    body = b'{"messages": [{"role": "user"}], "model": "theirs", "temperature": 1.50, "odd": {"a": [1,  2]}}'
    answer = node.client.post("/v1/chat/completions?api-version=1&a=%2B%26", content=body, headers=headers)
    assert (
        answer.content == b'{"messages":[{"role": "user"}],"model":"theirs/x","temperature":1.50,"odd":{"a": [1,  2]}}'
    )
    seen = shared_unruly.seen()["seen"][-1]
    assert seen["path"] == "/v1/chat/completions?api-version=1&a=%2B%26"
    assert KEY not in json.dumps(seen)
    assert {
        name: seen["headers"].get(name) for name in ("x-trace", "openai-beta", "x-request-id", "accept-encoding")
    } == {
        "x-trace": "t-1",
        "openai-beta": "assistants=v2",
        "x-request-id": "mine-1",
        "accept-encoding": "identity",
    }
    assert not {"te", "x-hop", "cookie"} & seen["headers"].keys()


def test_an_answers_own_headers_come_back(node: Any) -> None:
    """But for those of its connection, its cookies, and the id, which is that of the request here."""
    answer = node.client.post("/v1/chat/completions", json={"model": "theirs"}, headers={"X-Request-ID": "mine-2"})
    assert (answer.status_code, answer.headers["x-own"], answer.headers["x-request-id"]) == (200, "1", "mine-2")
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_server_has_no_say_in_how_clients_come_here(node: Any) -> None:
    """It may not end HTTPS, nor lead them to another port; nor does it say whose answer it is."""
    said = {
        "Strict-Transport-Security": "max-age=0",
        "Alt-Svc": 'h3=":8443"',
        "X-Freehold-Model": "other",
        "X-Own": "1",
    }
    answer = node.ask("theirs", behave=behave("answer", body="{}", headers=said))
    assert (answer.status_code, answer.headers["x-own"], answer.headers["x-freehold-model"]) == (200, "1", "theirs")
    assert not {"strict-transport-security", "alt-svc"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {"Retry-After": "17"}), (500, {}), (400, {}), (404, {}), (201, {"X-Cost": "3"}), (529, {}), (499, {})],
)
def test_statuses_and_their_bodies_pass_through(node: Any, status: int, headers: dict[str, str]) -> None:
    """What that server says of a request is said to the caller, and when to come back."""
    said = behave("answer", status=status, body='{"error": {"message": "theirs"}}', headers=headers)
    answer = node.ask("theirs", behave=said)
    assert (answer.status_code, answer.json()) == (status, {"error": {"message": "theirs"}})
    assert {name: answer.headers[name] for name in headers} == headers


@pytest.mark.parametrize(
    "chunks",
    [
        [FRAME % "a", FRAME % "b", "data: [DONE]\n\n"],
        ["da", "ta: a\n", "\ndata: b\n", "\n: comment\n\ndata", ": c\n\n"],
        ["data: a\r\n\r\n", "data: b\r\n\r", "\ndata: c\r\n\r\n"],
        ["event: x\nid: 1\ndata: a\ndata: b\n\n", "data: \xc3", "\xbc\n\n"],
        [FRAME % "a", "data: no end"],
    ],
)
def test_an_event_stream_is_byte_identical(node: Any, chunks: list[str]) -> None:
    """However its server chops it; nothing is added behind its end."""
    answer = node.ask("theirs", stream=True, behave=behave("stream", chunks=chunks, pause=0.01))
    assert answer.content == "".join(chunks).encode("latin-1")
    assert answer.headers["content-type"] == "text/event-stream"


def test_each_event_leaves_at_once(node: Any) -> None:
    """The first is here while the server still thinks about the second."""
    said = behave("stream", chunks=[FRAME % "first"], then="silence")
    with node.client.stream("POST", "/v1/chat/completions", json={"model": "theirs", "behave": said}) as answer:
        assert next(answer.iter_raw()) == b"data: first\n\n"


def test_bytes_of_any_kind_stream_through(node: Any) -> None:
    """Speech is neither cut into events nor read."""
    said = behave("stream", chunks=["ID3\x00\n\n\xff", "\xfb"], content_type="audio/mpeg")
    answer = node.ask("theirs", "/v1/audio/speech", input="hello", behave=said)
    assert answer.content == b"ID3\x00\n\n\xff\xfb"
    assert answer.headers["content-type"] == "audio/mpeg"


def test_a_large_body_passes_whole(node: Any) -> None:
    """8 MB of an image in base64."""
    image = "A" * (8 << 20)
    answer = node.ask("theirs", messages=[{"content": [{"image_url": {"url": image}}]}])
    assert answer.json()["messages"][0]["content"][0]["image_url"]["url"] == image


@pytest.mark.parametrize("file_first", [False, True])
def test_a_file_is_sent_on_while_it_comes(
    front: Callable[..., Any], unruly: Callable[..., Any], file_first: bool
) -> None:
    """With the name in front of it, a form may be larger than the memory of all requests; else it is held."""
    server = unruly(models=[{"id": "theirs/x"}])
    node = front(ModelConfig(id="theirs", source=server.url), memory_bytes=1 << 20)
    node.wait("theirs")
    parts = [b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n']
    sound = b"s" * (4 << 20)
    parts.insert(
        0 if file_first else 1,
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n' + sound + b"\r\n",
    )
    form = b"".join(parts) + b"--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = node.client.post("/v1/audio/transcriptions", content=form % b"theirs", headers=headers)
    if file_first:
        assert code_of(answer) in {(429, "overloaded"), (413, "request_exceeds_memory")}
    else:
        sent = form % b"theirs/x"
        assert answer.json() == {"size": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}


def test_a_form_without_a_length_passes_too(node: Any) -> None:
    """Chunked, as clients send what they have no length of."""
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ntheirs\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    pieces = (form[start : start + 9] for start in range(0, len(form), 9))
    answer = node.client.post("/v1/audio/transcriptions", content=pieces, headers=headers)
    assert answer.json()["size"] == len(form) + len("/x")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (behave("garbage"), 502, "upstream_garbage"),
        (behave("close"), 502, "upstream_cut"),
    ],
)
def test_a_server_that_speaks_no_http_or_hangs_up_is_told_so(
    node: Any, said: dict[str, Any], status: int, code: str
) -> None:
    """502 in OpenAI's shape, with cause and fix, and without the server's address."""
    answer = node.ask("theirs", behave=said)
    assert code_of(answer) == (status, code)
    message = answer.json()["error"]["message"]
    assert "theirs" in message
    assert "127.0.0.1" not in message


def test_a_server_that_is_silent_is_given_up_after_the_deadline(node: Any, shared_unruly: Any, soon: Any) -> None:
    """503 with the seconds and the setting; its request is closed, so that it need not go on."""
    left = shared_unruly.seen()["left"]
    answer = node.ask("slow", behave=behave("silence"))
    assert code_of(answer) == (504, "upstream_slow")
    assert "0.3 s" in answer.json()["error"]["message"]
    assert "deadline_s" in answer.json()["error"]["message"]
    soon(lambda: shared_unruly.seen()["left"] > left)


@pytest.mark.parametrize(
    ("model", "then", "code"), [("theirs", "cut", "upstream_cut"), ("slow", "silence", "upstream_slow")]
)
def test_a_stream_that_breaks_ends_in_an_error_frame(node: Any, model: str, then: str, code: str) -> None:
    """Behind the last whole event: half of one would spoil it for the client."""
    said = behave("stream", chunks=[FRAME % "whole", "data: hal"], then=then)
    frames = node.ask(model, stream=True, behave=said).content.split(b"\n\n")
    assert frames[0] == b"data: whole"
    assert json.loads(frames[1].removeprefix(b"data: "))["error"]["code"] == code
    assert frames[2:] == [b""]


def test_a_short_answer_that_breaks_off_is_an_error_of_its_own(node: Any) -> None:
    """It was waited for until its end, so that its client need not see half of it."""
    assert code_of(node.ask("theirs", behave=behave("short", length="1000"))) == (502, "upstream_cut")


def test_compressed_answers_are_passed_on_as_they_are(node: Any) -> None:
    """Nobody asked for that; whoever reads them is told. In compressed events no whole one can be seen."""
    said = behave("answer", body="{}", headers={"Content-Encoding": "zstd", "Connection": "X-Hop", "X-Hop": "1"})
    with node.client.stream("POST", "/v1/embeddings", json={"model": "theirs", "behave": said}) as answer:
        assert b"".join(answer.iter_raw()) == b"{}"
        assert answer.headers["content-encoding"] == "zstd"
        assert "x-hop" not in answer.headers
    kind = "text/event-stream\r\nContent-Encoding: gzip"
    answer = node.ask("theirs", behave=behave("stream", chunks=["\x1f\x8b", "..."], content_type=kind))
    assert code_of(answer) == (502, "upstream_garbage")


def test_other_content_that_breaks_off_ends_short(node: Any) -> None:
    """Its length was promised, so that the client's own library notices."""
    with pytest.raises(httpx.RemoteProtocolError):
        node.ask("theirs", behave=behave("short"))


def test_a_client_that_leaves_ends_the_request_there(node: Any, shared_unruly: Any, soon: Any) -> None:
    """Before the first byte, and in the middle of a stream: nobody should compute for nobody."""
    for said in (behave("silence"), behave("stream", chunks=[FRAME % "x"], times=10_000, pause=0.01)):
        left = shared_unruly.seen()["left"]
        body = json.dumps({"model": "theirs", "behave": said}).encode()
        with socket.create_connection(("127.0.0.1", httpx.URL(node.url).port or 0)) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            time.sleep(0.2)
        soon(lambda left=left: shared_unruly.seen()["left"] > left)
    soon(lambda: node.memory.used == 0)


def test_a_client_that_leaves_while_it_sends_a_file_ends_the_request_there(node: Any, soon: Any) -> None:
    """What came of it is given back, and nothing is logged as a defect."""
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ntheirs\r\n--x\r\n'
    with socket.create_connection(("127.0.0.1", httpx.URL(node.url).port or 0)) as client:
        client.sendall(head + b"Content-Length: 100000\r\n\r\n" + form)
        time.sleep(0.2)
    soon(lambda: node.memory.used == 0)
    assert 'code="internal"' not in node.telemetry.exposition()[0].decode()


def test_a_refused_connection_is_tried_twice_and_then_told(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """503 with Retry-After; nothing of the request can have arrived."""
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    server.stop()
    answer = node.ask("theirs")
    assert code_of(answer) == (503, "upstream_unreachable")
    assert "Connection refused" in answer.json()["error"]["message"]
    assert int(answer.headers["retry-after"]) > 0


def test_a_server_that_was_away_for_a_moment_costs_no_request(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt comes a moment after the first, and finds it."""
    monkeypatch.setattr(proxy, "RETRY_PAUSE_S", 1.0)
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    server.stop()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(node.ask("theirs")))
    asking.start()
    node.wait("theirs", "failed")  # the first attempt had it looked at
    with socket.create_server(("127.0.0.1", server.port)) as listening:
        listening.settimeout(PATIENCE_S)
        while asking.is_alive() and not answers:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            asking.join(0.05)
    asking.join(PATIENCE_S)
    assert answers[0].status_code == 200


def test_a_wrong_key_is_our_fault_and_not_the_callers(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """A 401 passed on would send the caller looking for another key of its own."""
    server = unruly(models=None)
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    refusal = behave("answer", status=401, body="{}")
    assert code_of(node.ask("theirs", behave=refusal)) == (502, "upstream_key_refused")


def test_a_redirection_is_neither_followed_nor_passed_on(node: Any, shared_unruly: Any) -> None:
    """The key and the caller would go where nobody has sent them; the address stays in the inner network."""
    said = behave("answer", status=307, body="{}", headers={"Location": f"{shared_unruly.url}/elsewhere"})
    answer = node.ask("theirs", behave=said)
    assert code_of(answer) == (502, "upstream_garbage")
    assert "location" not in answer.headers
    assert str(shared_unruly.port) not in answer.text
    assert shared_unruly.seen()["seen"][-1]["path"] == "/v1/chat/completions"


def test_limits_hold_for_other_servers_too(front: Callable[..., Any], unruly: Callable[..., Any], soon: Any) -> None:
    """`concurrency` is counted until the end of a stream, not until its beginning."""
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url, limits=Limits(concurrency=1)))
    node.wait("theirs")
    said = behave("stream", chunks=[FRAME % "x"], then="silence")
    with node.client.stream("POST", "/v1/chat/completions", json={"model": "theirs", "behave": said}) as answer:
        frames = answer.iter_raw()  # dropped, it would close its connection
        next(frames)
        refused = node.ask("theirs")
        assert code_of(refused) == (429, "overloaded")
        assert "retry-after" in refused.headers
    soon(lambda: node.memory.used == 0)
    soon(lambda: node.ask("theirs").status_code == 200)


@pytest.mark.anyio
async def test_many_streams_pass_side_by_side(node: Any) -> None:
    """Each gets its own bytes."""
    async with httpx.AsyncClient(base_url=node.url, trust_env=False, timeout=20) as client:

        async def one(number: int) -> None:
            said = behave("stream", chunks=[FRAME % f"{number}-{turn}" for turn in range(20)])
            answer = await client.post("/v1/chat/completions", json={"model": "theirs", "behave": said})
            assert answer.text == "".join(FRAME % f"{number}-{turn}" for turn in range(20))

        await asyncio.gather(*(one(number) for number in range(32)))


def test_a_refusal_that_comes_before_the_file_has_ends_the_upload(node: Any, shared_unruly: Any) -> None:
    """The rest of the file is not sent, and the client gets the refusal."""
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ntheirs\r\n--x\r\nX-Behave: refuse\r\n\r\n'
    with socket.create_connection(("127.0.0.1", httpx.URL(node.url).port or 0)) as client:
        client.settimeout(PATIENCE_S)
        client.sendall(head + b"Content-Length: 10000000\r\n\r\n" + form)
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"too large for them" in answer
