"""gRPC's port of one node, in the event loop of its HTTP: opened with the models, left within the same grace time."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from freehold.errors import FreeholdError
from freehold.http import Entrance, MemoryBudget
from freehold.http.listener import Address
from freehold.http.tls import Https
from freehold.server.dataplane import DataPlane
from freehold.server.grpc.credentials import credentials
from freehold.server.grpc.health import HealthService
from freehold.server.grpc.reception import Reception
from freehold.server.grpc.service import InferenceService
from freehold.telemetry import Telemetry

LOOK_S = 0.2  # between looks for the first certificate, which its authority has yet to issue
LAST_WORDS_S = 1.0  # for the statuses of calls that are cut short

_log = logging.getLogger(__name__)


class GrpcListener:
    """One node's gRPC server. Used from the event loop's thread only."""

    def __init__(
        self,
        held: socket.socket,
        *,
        entrance: Entrance | None,
        telemetry: Telemetry,
        memory: MemoryBudget,
        grace_s: float,
        body_size: int,
        https: Https | None = None,
    ) -> None:
        """`held` is bound to the port, which nobody else can take until gRPC, which binds its own, takes its place.

        `body_size`: bytes that a message may have, also unpacked.
        """
        host, port = held.getsockname()[:2]
        self.place = Address(host, port).url.removeprefix("http://")
        """What a client on this machine connects to."""
        self.address = host, port
        self._held = held
        self._reception = Reception(entrance, telemetry, memory, grace_s)
        self._grace_s = grace_s
        self._https = https
        self._leaving: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server | None = None
        self._options = (
            ("grpc.so_reuseport", 0),  # or a second server would share the port in silence
            ("grpc.max_receive_message_length", body_size),
            ("grpc.max_send_message_length", -1),
        )

    @asynccontextmanager
    async def life(self, plane: DataPlane) -> AsyncIterator[None]:
        """While it lasts, calls are answered from `plane`; with HTTPS, as soon as that has a certificate.

        Raises FreeholdError `address_unavailable`.
        """
        self._server = grpc.aio.server(options=self._options)
        services = (InferenceService(plane, self._reception), HealthService(plane.models, self._reception))
        self._server.add_generic_rpc_handlers([service.handler() for service in services])
        opening = asyncio.create_task(self._open(self._server))
        if self._https is None or self._https.certificate is not None:
            await opening
        try:
            yield
        finally:
            opening.cancel()
            self.drain()
            if self._leaving is not None:
                await self._leaving

    def drain(self) -> None:
        """Take no more calls, and finish those under way within the grace time; `life` waits for that."""
        if self._leaving is None and self._server is not None:
            self._reception.leave()
            self._leaving = asyncio.create_task(self._leave(self._server))

    async def _open(self, server: grpc.aio.Server) -> None:
        while self._https is not None and self._https.certificate is None:  # noqa: ASYNC110 - it is for all who look
            await asyncio.sleep(LOOK_S)
        self._bind(server)
        await server.start()

    async def _leave(self, server: grpc.aio.Server) -> None:
        stopping = asyncio.create_task(server.stop(self._grace_s + LAST_WORDS_S))
        await asyncio.wait([stopping], timeout=self._grace_s)
        if not stopping.done():
            _log.warning("calls cut short", extra={"requests": self._reception.cut_short()})
        await stopping

    def _bind(self, server: grpc.aio.Server) -> None:
        self._held.close()
        host, port = self.address
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._https is None:
                server.add_insecure_port(place)
            else:
                server.add_secure_port(place, credentials(self._https))
        except RuntimeError as failure:
            raise FreeholdError("address_unavailable", host=place, reason=failure) from None
