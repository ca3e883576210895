"""One request and its answer, byte for byte, whatever a server or a network does."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from freehold.deploy.dify.checking.exchange import Exchange, Request, exchange, shortened
from tests.deploy.dify.checking.planted import planted
from tests.pki import DAY, Authority, Pair

TRUST = ssl.create_default_context()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
Answering = Callable[[socket.socket], None]


@contextmanager
def answering(*parts: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A socket that answers one request with these bytes and ends; its address, and what came."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                came.append(connection.recv(65536))
                for part in parts:
                    connection.sendall(part)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", came
        thread.join()


def asked(
    url: str, seconds: float = 5.0, trust: ssl.SSLContext = TRUST, enough: Callable[[bytes], bool] | None = None
) -> Exchange:
    """A POST with a small body."""
    request = Request("POST", f"{url}/x?y=1", (("Content-Type", "application/json"), ("Authorization", "")), b"{}")
    return exchange(request, trust, seconds, enough)


def test_the_request_goes_out_byte_for_byte() -> None:
    """Headers in their order, an empty Authorization among them, and the length of the body."""
    with answering(HEAD, b"Content-Length: 2\r\n\r\nok") as (url, came):
        answer = asked(url)
    host = url.removeprefix("http://").removesuffix("/v1")
    assert came[0].decode().split("\r\n") == [
        "POST /v1/x?y=1 HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "Authorization: ",
        "Content-Length: 2",
        "",
        "{}",
    ]
    assert (answer.status, answer.text, answer.trouble) == (200, "ok", "")


def test_chunks_are_kept_apart_with_their_times() -> None:
    """Two chunks that come in one segment are two pieces, with the coding taken off."""
    body = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with answering(HEAD, body) as (url, _):
        answer = asked(url)
    assert [piece.data for piece in answer.pieces] == [b"abc", b"de"]
    assert answer.pieces[0].at_s <= answer.pieces[1].at_s


def test_a_compressed_answer_is_unpacked() -> None:
    """The plugin's client accepts gzip."""
    packed = gzip.compress(b'{"a": 1}')
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with answering(HEAD, head, packed) as (url, _):
        assert asked(url).json == {"a": 1}


def test_reading_stops_when_enough_is_known() -> None:
    """The rest of an answer is left where it is."""
    with answering(HEAD, b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n") as (url, _):
        answer = asked(url, enough=lambda body: b"abc" in body)
    assert (answer.left, answer.trouble, answer.body) == (True, "", b"abc")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ((), "cut"),
        ((HEAD, b"Content-Length: 9\r\n\r\nabc"), "cut"),
        ((HEAD, b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc"), "cut"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "no_http"),
        ((HEAD, b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), "no_http"),
    ],
)
def test_a_broken_answer_is_named(answer: tuple[bytes, ...], trouble: str) -> None:
    """Cut in the middle, or no HTTP at all."""
    with answering(*answer) as (url, _):
        assert asked(url).trouble == trouble


def test_silence_ends_in_time() -> None:
    """A server that accepts and says nothing is left when the time is over."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answer = asked(f"http://127.0.0.1:{listening.getsockname()[1]}", seconds=0.2)
    assert answer.trouble == "slow"
    assert "within" in answer.reason


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"\r\n"]
)
def test_a_byte_at_a_time_ends_in_time(head: bytes) -> None:
    """In its head, in the length of a chunk, in its body: each byte ends a silence, and none the whole."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(head)
                while not done.wait(0.005):
                    connection.sendall(b"0")

        thread = threading.Thread(target=answer)
        thread.start()
        assert asked(f"http://127.0.0.1:{listening.getsockname()[1]}", seconds=0.1).trouble == "slow"
        done.set()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\nok",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok",
    ],
)
def test_older_and_rarer_forms_of_answers_are_read(answer: bytes) -> None:
    """HTTP/1.0, which ends with its connection; trailers behind the last chunk; a line that only says go on."""
    with answering(answer) as (url, _):
        assert (got := asked(url)).text == "ok"
    assert got.ok


def test_a_key_that_a_server_repeats_is_not_shown() -> None:
    """Not in any part of what came, wherever it is cut for a report."""
    key = "sk-0123456789"
    with answering(HEAD, b"\r\n" + b"x" * 295 + key.encode() * 99) as (url, _):
        answer = exchange(Request("GET", url, (("Authorization", f"Bearer {key}"),)), TRUST, 5.0)
    assert answer.ok
    assert "sk-0" not in answer.text + answer.told()


def test_nobody_there_is_named() -> None:
    """A port without a listener, and a name that no resolver knows."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    assert asked(url).trouble == "refused"
    assert asked("http://nobody.invalid").trouble == "name"


def wrapping(pair: Pair) -> Callable[[socket.socket], ssl.SSLSocket]:
    """Serves with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return lambda listening: context.wrap_socket(listening, server_side=True)


@pytest.mark.parametrize(
    ("names", "begins", "trusted", "trouble"),
    [
        (("127.0.0.1",), -DAY, True, ""),
        (("127.0.0.1",), -DAY, False, "untrusted"),
        (("llm.corp.example",), -DAY, True, "other_name"),
        (("127.0.0.1",), -100 * DAY, True, "expired"),
    ],
)
def test_certificates_are_told_apart(
    tmp_path: Path, names: tuple[str, ...], begins: timedelta, trusted: bool, trouble: str
) -> None:
    """A private authority that is not known, a name that is not in it, one that ran out."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", names, begins=begins)
    with planted(wrap=wrapping(pair)) as server:
        answer = asked(server.url, trust=authority.context() if trusted else TRUST)
    assert answer.trouble == trouble


def test_http_where_tls_is_expected_is_named() -> None:
    """https:// typed for a plain port."""
    with planted() as server:
        assert asked(server.url.replace("http:", "https:")).trouble == "tls"


def test_long_bodies_are_shown_shortened() -> None:
    """Beginning and end, line ends visible."""
    assert shortened("a\r\nb") == r"a\r\nb"
    assert len(shortened("x" * 100_000)) < 500
    assert Exchange(Request("GET", "http://h/x", ()), 404, {}).told() == "404"
    assert json.loads(json.dumps(Request("GET", "http://h/x", ()).told())) == "GET http://h/x"
