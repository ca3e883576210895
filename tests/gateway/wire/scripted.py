"""A server on 127.0.0.1 that does on each connection what a test says, byte for byte."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

PATIENCE_S = 20.0  # only a broken test waits this long
REQUEST = b"POST /x HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(*answers: bytes, then: str = "wait") -> Talk:
    """Answers the requests of a connection in turn; then waits for the client to leave, or closes ("close")."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request(reader)
            writer.write(answer)
        if then == "wait":
            await reader.read()

    return talk


async def request(reader: asyncio.StreamReader) -> bytes:
    """Reads a whole request, which has a length or comes in chunks; its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
        return head
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))
    return head


async def until(found: Callable[[], object]) -> None:
    """Wait until that is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not found():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)


@asynccontextmanager
async def scripted(*talks: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Its URL. The n-th connection gets the n-th talk, all further ones the last."""
    numbers = iter(range(1 << 30))
    open_now: set[asyncio.StreamWriter] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talks[min(next(numbers), len(talks) - 1)](reader, writer)
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
    finally:
        server.close()
        for writer in open_now:
            writer.transport.abort()
        await asyncio.sleep(0)
