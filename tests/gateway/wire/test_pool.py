"""Connections that are kept, closed, and replaced."""

import asyncio
import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest

from freehold.gateway.wire import pool as pools
from freehold.gateway.wire.answer import CutError, UnreachableError
from freehold.gateway.wire.pool import Pool, Pools

from .scripted import PATIENCE_S, REQUEST, request, saying, scripted, until

pytestmark = pytest.mark.anyio
CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: uvloop is not there on every system."""
    return "asyncio", {"use_uvloop": request.param}


async def ask(pool: Pool) -> bytes:
    answer = await pool.ask(REQUEST, b"{}", silence_s=PATIENCE_S)
    await answer.ended()
    return answer.taken()


async def test_a_connection_is_used_again() -> None:
    """By the next request; two at a time take two."""
    async with scripted(saying(*[ANSWER] * 9)) as url:
        pool = Pool(url)
        for _ in range(3):
            assert await ask(pool) == b"{}"
            assert len(pool._idle) == 1
        await asyncio.gather(ask(pool), ask(pool))
        assert len(pool._idle) == 2
        pool.close()
        assert not pool._idle


async def test_a_connection_that_its_server_closes_while_idle_is_forgotten() -> None:
    """And costs nothing."""
    async with scripted(saying(ANSWER, then="close")) as url:
        pool = Pool(url)
        for _ in range(3):
            assert await ask(pool) == b"{}"
            await until(lambda: not pool._idle)


async def test_a_connection_that_its_server_closes_as_soon_as_it_is_made_is_none() -> None:
    """Nothing has been asked on it, so that another server may be: none is handed out that is closed already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.02)
        pool, over = Pool(f"http://127.0.0.1:{server.getsockname()[1]}"), threading.Event()

        def hang_up() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    server.accept()[0].close()

        async def connect() -> None:
            try:
                connection = await pool.connect()
            except UnreachableError:
                return
            assert not connection._transport.is_closing()
            connection.close()

        hanging_up = asyncio.create_task(asyncio.to_thread(hang_up))
        try:
            await asyncio.gather(*(connect() for _ in range(100)))
        finally:
            over.set()
            await hanging_up


async def test_a_connection_whose_end_shows_only_when_it_is_used_costs_no_request() -> None:
    """Its server closes it in the moment of asking: the request does not arrive, so it is sent once more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        pool = Pool(f"http://127.0.0.1:{server.getsockname()[1]}")
        for _ in range(2):
            asking = asyncio.create_task(ask(pool))
            client, _ = await asyncio.to_thread(server.accept)
            with client:
                await asyncio.to_thread(client.recv, 1 << 16)
                client.sendall(ANSWER)
                assert await asking == b"{}"
            # closed now, which the event loop has not seen when the next request is written


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 2"])
async def test_what_may_have_been_computed_is_not_asked_again(begun: bytes) -> None:
    """Its server read it and ended, perhaps because of it: before its answer or within, on whatever connection."""
    async with scripted(saying(ANSWER, begun, then="close"), saying(ANSWER)) as url:
        pool = Pool(url)
        assert await ask(pool) == b"{}"
        with pytest.raises(CutError):
            await ask(pool)
    async with scripted(saying(b"", then="close")) as url:
        with pytest.raises(CutError):
            await ask(Pool(url))


async def test_what_nobody_asked_for_ends_an_idle_connection() -> None:
    """It would be taken for the answer to the next request."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(ANSWER)
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with scripted(talk) as url:
        pool = Pool(url)
        assert await ask(pool) == b"{}"
        assert len(pool._idle) == 1
        await until(lambda: not pool._idle)


async def test_idle_connections_are_closed_before_their_server_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its time."""
    monkeypatch.setattr(pools, "KEEP_ALIVE_S", 0.1)
    async with scripted(saying(*[ANSWER] * 9)) as url:
        pool = Pool(url)
        await asyncio.gather(ask(pool), ask(pool))
        await asyncio.sleep(0.06)
        await ask(pool)
        assert len(pool._idle) == 2
        await until(lambda: len(pool._idle) == 1)
        await until(lambda: not pool._idle)


async def test_a_request_that_is_cancelled_closes_its_connection() -> None:
    """Its server need not go on."""
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(b"")(reader, writer)
        left.set()

    async with scripted(talk) as url:
        asking = asyncio.create_task(ask(Pool(url)))
        await asyncio.sleep(0.05)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(left.wait(), PATIENCE_S)


async def test_a_closed_pool_lets_what_is_in_flight_end() -> None:
    """Its connection is not kept afterwards."""
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await go.wait()
        writer.write(ANSWER)
        await reader.read()

    async with scripted(talk) as url:
        pool = Pool(url)
        asking = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.02)
        pool.close()
        go.set()
        assert await asking == b"{}"
        assert not pool._idle


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://no-such-host.invalid", "http://a..b"])
async def test_what_cannot_be_reached_is_told_with_its_cause(url: str) -> None:
    """Refused, unknown, no name at all."""
    with pytest.raises(UnreachableError) as caught:
        await Pool(url).connect()
    assert isinstance(caught.value.__cause__, OSError | UnicodeError)


async def test_a_connection_that_is_not_accepted_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS handshake that its server leaves unanswered counts too."""
    monkeypatch.setattr(pools, "CONNECT_S", 0.1)
    async with scripted(saying(b"")) as url:
        with pytest.raises(UnreachableError) as caught:
            await Pool(url.replace("http:", "https:")).connect()
        assert isinstance(caught.value.__cause__, TimeoutError)


async def test_tls_is_spoken_and_checked() -> None:
    """With the authorities that are handed in; a certificate of nobody known is refused."""
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(CERTIFICATE)
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with scripted(saying(*[ANSWER] * 2), tls=own) as url:
        pool = Pool(url, trusted)
        assert await ask(pool) == b"{}"
        assert await ask(pool) == b"{}"
        pool.close()
        with pytest.raises(UnreachableError) as caught:
            await Pool(url).connect()
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


async def test_much_passes_through_tls_in_both_directions() -> None:
    """Slice by slice: a body and an answer that no buffer holds."""
    size = 4 << 20
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(CERTIFICATE)
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    head = b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % size
    async with scripted(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)), tls=own) as url:
        pool = Pool(url, trusted)
        answer = await pool.ask(head, bytes(size), silence_s=PATIENCE_S)
        total = 0
        while piece := await answer.read():
            total += len(piece)
        assert (total, len(pool._idle)) == (size, 1)


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://a:8000/v1/models", "http://a:8000", b"/v1/models"),
        ("http://a", "http://a", b"/"),
        ("https://a/\u6a21\u578b/%20x", "https://a", b"/%E6%A8%A1%E5%9E%8B/%20x"),
    ],
)
async def test_each_server_has_its_pool(url: str, origin: str, target: bytes) -> None:
    """Whatever the path, which becomes the target of the request."""
    every = Pools()
    pool, found = every.at(url)
    assert found == target
    assert every.at(f"{origin}/other")[0] is pool
    assert every.at("http://another")[0] is not pool
    every.close()
