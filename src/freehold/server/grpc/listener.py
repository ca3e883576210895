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
from freehold.http.bounds import Bounds
from freehold.http.listener import Address
from freehold.http.tls import Https
from freehold.server.dataplane import DataPlane
from freehold.server.grpc.credentials import credentials
from freehold.server.grpc.health import HealthService
from freehold.server.grpc.reception import Handler, Reception
from freehold.server.grpc.service import InferenceService
from freehold.telemetry import Telemetry

LOOK_S = 0.2  # between looks for the first certificate, which its authority has yet to issue
WATCH_S = 0.05  # between looks whether gRPC's own loop still runs
LAST_WORDS_S = 1.0  # for the statuses of calls that are cut short
PING_AFTER_S = 60.0  # of silence a connection is asked whether anybody is there
PINGS_S = 10.0  # clients may ask so often; gRPC itself would allow it every five minutes, and hang up on others

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
        self._handlers: list[Handler] = []
        self._server: grpc.aio.Server | None = None
        self._lost: list[asyncio.Task[None]] = []
        """Servers that take no more calls, until those that they have are over."""
        self._keeping: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        bounds = Bounds()
        self._options = (
            ("grpc.so_reuseport", 0),  # or a second server would share the port in silence
            ("grpc.max_receive_message_length", body_size),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", bounds.connections),
            ("grpc.server_handshake_timeout_ms", _ms(bounds.head_s)),
            ("grpc.keepalive_time_ms", _ms(PING_AFTER_S)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(PINGS_S)),
        )

    @asynccontextmanager
    async def life(self, plane: DataPlane) -> AsyncIterator[None]:
        """While it lasts, calls are answered from `plane`; with HTTPS, as soon as that has a certificate.

        Raises FreeholdError `address_unavailable`.
        """
        services = (InferenceService(plane, self._reception), HealthService(plane.models, self._reception))
        self._handlers = [service.handler() for service in services]
        if self._may_open:
            await self._open()
        self._keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            self.drain()
            if self._leaving is not None:
                await self._leaving

    def drain(self) -> None:
        """Take no more calls, and finish those under way within the grace time; `life` waits for that."""
        if self._leaving is None and self._keeping is not None:
            self._keeping.cancel()
            self._reception.leave()
            self._leaving = asyncio.create_task(self._leave())

    @property
    def _may_open(self) -> bool:
        return self._https is None or self._https.certificate is not None

    async def _keep(self) -> None:
        """Open the port as soon as it may be, and again where gRPC gave it up: over a method's name that is not UTF-8,
        which anybody can send, its loop ends, and no call is taken any more."""
        while True:
            if self._server is None and self._may_open:
                try:
                    await self._open()
                except FreeholdError as error:
                    _log.warning("gRPC is not served: %s", error.cause)
            if self._server is None:
                await asyncio.sleep(LOOK_S)
                continue
            try:
                await self._server.wait_for_termination(WATCH_S)
            except Exception as defect:  # noqa: BLE001 - whatever ended it, it is opened again
                _log.warning("gRPC is opened again", extra={"reason": f"{type(defect).__name__}: {defect}"})
                self._lost.append(asyncio.create_task(self._server.stop(self._grace_s)))
                self._lost = [one for one in self._lost if not one.done()]
                self._server = None

    async def _open(self) -> None:
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers(self._handlers)
        self._bind(server)
        self._server = server
        await server.start()

    async def _leave(self) -> None:
        servers = [] if self._server is None else [self._server.stop(self._grace_s + LAST_WORDS_S)]
        stopping = asyncio.gather(*servers, *self._lost, return_exceptions=True)
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


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
