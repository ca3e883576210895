"""gRPC's port of one node, in the event loop of its HTTP: opened with the models, left within the same grace time."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from freehold.http import BodyLimits, Bounds, Entrance, MemoryBudget, Route
from freehold.http.http2.connection import Connection
from freehold.http.listener import BACKLOG, Address
from freehold.http.tls import Https
from freehold.server.dataplane import DataPlane
from freehold.server.grpc.health import HealthService
from freehold.server.grpc.passing import Leads, Passing
from freehold.server.grpc.reception import Reception
from freehold.server.grpc.service import InferenceService
from freehold.telemetry import Telemetry

LOOK_S = 5.0  # between looks for clients that hold a connection and are not there
POLL_S = 0.02
LAST_WORDS_S = 1.0  # for the statuses of calls that are cut short

_log = logging.getLogger(__name__)


class GrpcListener:
    """One node's gRPC server. Used from the event loop's thread only."""

    def __init__(
        self,
        listening: socket.socket,
        *,
        entrance: Entrance | None,
        telemetry: Telemetry,
        memory: MemoryBudget,
        grace_s: float,
        limits: BodyLimits,
        https: Https | None = None,
        leads: Leads = lambda _: False,
    ) -> None:
        """`limits`: bytes that a message may have, also unpacked, and the time that it may take to come. `leads`:
        whether a name leads to more than the model of that name in this process."""
        self.address = Address(*listening.getsockname()[:2])
        self.place = self.address.url.removeprefix("http://")
        """What a client on this machine connects to."""
        self._listening = listening
        self._reception = Reception(entrance, telemetry, memory, grace_s, limits)
        self._grace_s = grace_s
        self._https = https
        self._leads = leads
        self._memory = memory
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._leaving: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def life(self, plane: DataPlane, routes: Sequence[Route] = ()) -> AsyncIterator[None]:
        """While it lasts, calls are answered from `plane`, those for names that lead further by REST's `routes`; with
        HTTPS, as soon as that has a certificate."""
        InferenceService(plane, self._reception, Passing(self._leads, routes, self._memory)).offer()
        HealthService(plane.models, self._reception).offer()
        bounds = Bounds()
        self._server = await asyncio.get_running_loop().create_server(
            partial(Connection, self._reception.answer, bounds, self._connections),
            sock=self._listening,
            backlog=BACKLOG,
            ssl=None if self._https is None else self._https.http2_context,
            ssl_handshake_timeout=None if self._https is None else bounds.head_s,
        )
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            self.drain()
            if self._leaving is not None:
                await self._leaving

    def drain(self) -> None:
        """Take no more calls, and finish those under way within the grace time; `life` waits for that."""
        if self._leaving is None and self._server is not None:
            self._leaving = asyncio.create_task(self._leave(self._server))

    async def _leave(self, server: asyncio.Server) -> None:
        server.close()
        self._reception.leave()
        for connection in list(self._connections):
            connection.leave()
        if not await self._empty(self._grace_s):
            _log.warning("calls cut short", extra={"requests": self._reception.cut_short()})
            await self._empty(LAST_WORDS_S)
        for connection in list(self._connections):
            connection.abort()

    async def _empty(self, within_s: float) -> bool:
        """Whether no connection is left after that time, or sooner."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while self._connections and loop.time() < until:  # noqa: ASYNC110 - each of them ends by itself
            await asyncio.sleep(POLL_S)
        return not self._connections

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for connection in list(self._connections):
                connection.look()
