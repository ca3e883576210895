"""What the kernel tells of a request whose connection ended."""

import asyncio
import socket

import pytest

from freehold.gateway.wire import arrival
from freehold.gateway.wire.arrival import has_arrived

from .scripted import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: their sockets are not of one class."""
    return "asyncio", {"use_uvloop": request.param}


class Watched(asyncio.Protocol):
    """A connection, and whether what was written to it had arrived when its end showed."""

    def __init__(self) -> None:
        self.arrived = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as TCP has it
        """It is connected."""
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.arrived.set_result(has_arrived(self.transport))


async def ended(*, reads: int, size: int = 100) -> bool:
    """A client writes two requests of `size` bytes to a server that reads so many of them, then closes."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        transport, watched = await loop.create_connection(Watched, *server.getsockname())
        client, _ = await asyncio.to_thread(server.accept)
        with client:
            transport.write(bytes(2 * size if reads == 2 else size))
            for _ in range(reads):
                await asyncio.to_thread(client.recv, size, socket.MSG_WAITALL)
        if reads < 2:
            transport.write(bytes(size))
    async with asyncio.timeout(PATIENCE_S):
        return bool(await watched.arrived)


async def test_what_was_read_has_arrived() -> None:
    """The server may have ended because of it."""
    assert await ended(reads=2)


async def test_what_met_a_closed_connection_has_not() -> None:
    """The server had read what came before, and had closed when this was written."""
    assert not await ended(reads=1)


async def test_what_was_sent_in_part_has_not() -> None:
    """More than the kernel takes at once."""
    assert not await ended(reads=1, size=8 << 20)


async def test_where_it_cannot_be_told_it_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is sent twice."""
    monkeypatch.setattr(arrival, "_TCP_INFO", None)
    assert await ended(reads=1)
