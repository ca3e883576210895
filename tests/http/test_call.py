"""Reading a request: bodies that are large, slow, compressed, or never end; clients that leave."""

import asyncio
import gzip
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from freehold.http import BodyLimits, Call, MemoryBudget
from freehold.http.call import LONGEST_CHAT
from freehold.http.departures import INTERVAL_S, Departures

SMALL = BodyLimits(size=100_000, timeout_s=30.0)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def post(headers: str, body: bytes = b"") -> bytes:
    return f"POST /v1/echo HTTP/1.1\r\nHost: t\r\n{headers}\r\n\r\n".encode() + body


def test_a_body_arrives_whole_in_whatever_pieces(serving: Callable[..., Any]) -> None:
    """One byte at a time, then in one piece of 90 KB."""
    live = serving(body_limits=SMALL)
    client = live.connect()
    for byte in post("Content-Length: 3", b"abc"):
        client.send(bytes([byte]))
    assert client.answer().body == b"abc"
    assert client.ask("POST", "/v1/echo", b"z" * 90_000).body == b"z" * 90_000


def test_a_chunked_body_arrives_whole(live: Any) -> None:
    """Transfer-Encoding: chunked, as clients that stream send it."""
    client = live.connect()
    client.send(post("Transfer-Encoding: chunked", chunked(b"ab", b"cd" * 50_000)))
    assert client.answer().body == b"ab" + b"cd" * 50_000


def test_a_body_that_is_declared_too_large_is_refused_before_it_comes(serving: Callable[..., Any]) -> None:
    """413 names the limit, the size and the setting."""
    live = serving(body_limits=SMALL)
    client = live.connect()
    client.send(post("Content-Length: 100001"))
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")
    assert "limits.body_mb" in answer.json["error"]["message"]
    assert "100001" in answer.json["error"]["message"]


def test_a_body_of_exactly_the_limit_is_taken(serving: Callable[..., Any]) -> None:
    """The bound is inclusive."""
    live = serving(body_limits=SMALL)
    assert live.ask("POST", "/v1/echo", b"x" * SMALL.size).status == 200


def test_a_chunked_body_is_refused_once_it_is_too_large(serving: Callable[..., Any]) -> None:
    """Without Content-Length the bytes are counted as they come."""
    live = serving(body_limits=SMALL)
    client = live.connect()
    client.send(post("Transfer-Encoding: chunked", chunked(*[b"y" * 20_000] * 6)))
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")
    assert live.memory.used == 0


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("identity", bytes),
    ],
)
def test_a_compressed_body_is_read(live: Any, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """gzip, and deflate both as the standard means it and as some clients send it."""
    text = b'{"input": "' + b"word " * 1000 + b'"}'
    assert live.ask("POST", "/v1/echo", compress(text), Content_Encoding=encoding).body == text


def test_a_bomb_costs_no_more_than_the_limit(serving: Callable[..., Any]) -> None:
    """100 MB of zeros in 100 KB are refused as what they are: too large."""
    live = serving(body_limits=BodyLimits(size=3_000_000))
    bomb = gzip.compress(bytes(100_000_000), compresslevel=9)
    answer = live.ask("POST", "/v1/echo", bomb, Content_Encoding="gzip")
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")
    assert live.memory.used == 0


def test_a_long_compressed_body_is_read_beside_others(serving: Callable[..., Any]) -> None:
    """Several steps of decompression, off the event loop."""
    live = serving()
    text = bytes(range(256)) * 20_000
    assert live.ask("POST", "/v1/echo", gzip.compress(text), Content_Encoding="gzip").body == text


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (gzip.compress(b"abc", mtime=0)[:-4], "gzip", 400, "body_encoding_invalid"),
        (gzip.compress(b"abc", mtime=0) + b"more", "gzip", 400, "body_encoding_invalid"),
        (b"not compressed", "gzip", 400, "body_encoding_invalid"),
        (b"", "gzip", 400, "body_encoding_invalid"),
        (b"\xff", "deflate", 400, "body_encoding_invalid"),
        (b"x", "br", 415, "body_encoding_unsupported"),
        (b"x", "gzip, gzip", 415, "body_encoding_unsupported"),
    ],
)
def test_a_damaged_or_unknown_encoding_is_the_clients_error(
    live: Any, body: bytes, encoding: str, status: int, code: str
) -> None:
    """Never a 500."""
    answer = live.ask("POST", "/v1/echo", body, Content_Encoding=encoding)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_a_body_that_does_not_come_is_given_up(serving: Callable[..., Any]) -> None:
    """408 says how much came; the memory it was promised is free again."""
    live = serving(body_limits=BodyLimits(timeout_s=0.05))
    client = live.connect()
    client.send(post("Content-Length: 10", b"abc"))
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (408, "slow_client")
    assert "3 bytes" in answer.json["error"]["message"]
    assert live.memory.used == 0


def test_a_client_that_leaves_while_it_sends_is_nobodys_error(
    serving: Callable[..., Any], eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """It is counted as 499, and its memory is free again."""
    live = serving()
    client = live.connect()
    client.send(post("Content-Length: 1000000", b"abc"))
    eventually(lambda: live.memory.used == 3)
    client.close()
    eventually(lambda: 'freehold_requests_total{route="/v1/echo",status="499"} 1.0' in live.metrics())
    assert live.memory.used == 0


def test_a_client_that_leaves_the_queue_frees_its_place(
    fresh: Any, house: Any, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """What it waited for is cancelled, and nothing is sent to nobody."""
    client = fresh.connect()
    client.send(b"POST /v1/wait HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}")
    assert house.waiting.wait(20)
    client.close()
    assert house.cancelled.wait(20)
    eventually(lambda: 'status="499"} 1.0' in fresh.metrics())
    assert fresh.memory.used == 0
    assert fresh.app.in_flight == 0


def test_a_client_that_stays_gets_its_answer(fresh: Any, house: Any) -> None:
    """Also after the watch has begun, and the connection serves on."""
    client = fresh.connect()
    client.send(b"POST /v1/wait HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}")
    assert house.waiting.wait(20)
    threading.Event().wait(0.1)  # several turns of the watch
    house.release()
    assert client.answer().body == b'"done"'
    assert client.ask("GET", "/livez").status == 200


def test_bodies_beyond_the_memory_of_all_requests_are_refused_at_once(
    serving: Callable[..., Any], house: Any, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """429 while another holds the memory, 413 when there would never be enough, 200 when it is free."""
    live = serving(memory_bytes=1000)
    holder = live.connect()
    holder.send(post("Content-Length: 601", b"x" * 600))
    eventually(lambda: live.memory.used == 600)
    refused = live.ask("POST", "/v1/echo", b"x" * 600)
    assert (refused.status, refused.json["error"]["code"]) == (429, "overloaded")
    assert refused.headers["retry-after"] == "1"
    never = live.ask("POST", "/v1/echo", b"x" * 1001)
    assert (never.status, never.json["error"]["code"]) == (413, "request_exceeds_memory")
    announced = live.connect()
    announced.send(post("Content-Length: 600"))
    assert announced.answer().status == 429
    holder.close()
    eventually(lambda: live.memory.used == 0)
    assert live.ask("POST", "/v1/echo", b"x" * 600).status == 200


def test_a_body_that_is_only_announced_holds_no_memory(serving: Callable[..., Any]) -> None:
    """Clients that announce much and send nothing shut nobody out."""
    live = serving(memory_bytes=1000)
    for _ in range(5):
        live.connect().send(post("Content-Length: 900", b"x"))
    assert live.ask("POST", "/v1/echo", b"y" * 900).status == 200


def test_query_parameters_are_decoded(live: Any) -> None:
    """The first of several; an empty one is not an absent one."""
    assert live.ask("GET", "/v1/describe?q=a%20b+c&q=d").json["q"] == "a b c"
    assert live.ask("GET", "/v1/describe?q=").json["q"] == ""
    assert live.ask("GET", "/v1/describe").json["q"] is None


def test_a_body_can_be_passed_on_without_being_held(serving: Callable[..., Any]) -> None:
    """It may be larger than the memory of all requests; its headers are there to be passed on with it."""
    live = serving(body_limits=SMALL, memory_bytes=50_000)
    client = live.connect()
    head = post("Content-Type: audio/mpeg\r\nTransfer-Encoding: chunked").replace(b"echo", b"pass")
    client.send(head + chunked(*[b"y" * 20_000] * 5))
    assert client.answer().json == {"size": 100_000, "type": "audio/mpeg"}
    client.send(head + chunked(*[b"y" * 20_000] * 6))
    assert client.answer().json["error"]["code"] == "body_too_large"
    assert live.ask("POST", "/v1/pass", b"y" * 100_001).json["error"]["code"] == "body_too_large"


def test_a_slow_body_that_is_passed_on_has_its_time_too(serving: Callable[..., Any]) -> None:
    """Only waiting for the client counts, and its end is told as for any other body."""
    live = serving(body_limits=BodyLimits(size=1000, timeout_s=0.2))
    client = live.connect()
    client.send(b"POST /v1/pass HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc")
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (408, "slow_client")


def test_a_copied_request_is_its_own() -> None:
    """With its own id, headers and memory; what described the old body is gone, and nobody leaves it."""

    async def life() -> None:
        async def gone() -> Any:
            return {"type": "http.disconnect"}

        mine, theirs = MemoryBudget(100), MemoryBudget(100)
        scope = {"method": "POST", "path": "/v1/echo", "query_string": b"q=1"}
        headers = {b"content-encoding": b"gzip", b"content-length": b"9", b"x-own": b"1"}
        call = Call(scope, gone, headers, "r-1", {"model": "m"}, SMALL, mine, Departures())
        copy = call.copied(b"plain", "r-2", {b"x-more": b"2"}, theirs)
        assert (copy.method, copy.path, copy.query("q"), copy.params) == ("POST", "/v1/echo", "1", {"model": "m"})
        assert (copy.request_id, copy.visit, await copy.body()) == ("r-2", None, b"plain")
        assert dict(copy.headers) == {b"x-own": b"1", b"x-more": b"2"}
        copy.hold(10)
        assert (mine.used, theirs.used) == (0, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * INTERVAL_S):
                await copy.while_connected(asyncio.Event().wait())

    asyncio.run(life())


@pytest.mark.parametrize(
    ("path", "content_type", "tokens"),
    [
        ("/v1/embeddings", b"application/json", 1_000_000),
        ("/v1/chat/completions", b"application/json", LONGEST_CHAT),
        ("/v1/responses", b"", LONGEST_CHAT),
        ("/v2/models/m/infer", b"application/octet-stream", 0),
        ("/v2/models/m/versions/1/infer", b"application/json", 0),
        ("/v2/models/m/generate", b"application/json", 1_000_000),
        ("/v1/audio/transcriptions", b"multipart/form-data; boundary=x", 0),
    ],
)
def test_tokens_are_guessed_of_texts_alone(path: str, content_type: bytes, tokens: int) -> None:
    """Who sends a picture, a sound or a tensor of megabytes is not taken to have used up a day's tokens."""
    scope = {"method": "POST", "path": path, "query_string": b""}
    headers = {b"content-type": content_type}
    call = Call(scope, _nothing, headers, "r", {}, SMALL, MemoryBudget(1), Departures())
    assert call.guess_tokens(4_000_000) == tokens


async def _nothing() -> dict[str, Any]:
    return {}
