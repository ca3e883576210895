"""The process's socket: bound by us, so that a failure can be explained; left without losing what is in flight."""

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from uvicorn.server import ServerState

from freehold.errors import FreeholdError
from freehold.http.app import App
from freehold.http.bounds import Bounds
from freehold.http.connection import Connection
from freehold.http.port_holder import port_holder
from freehold.http.redirect import Application, Redirect
from freehold.http.threads import Threads
from freehold.http.tls import Https

BACKLOG = 4096  # at ten times of what one process answers, the kernel holds the rest of a second's arrivals
UNPRIVILEGED_FROM = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_POLL_S = 0.02
_LAST_WORDS_S = 1.0  # for the answers of requests that are cut short
_GOODBYE_S = 5.0  # for clients of TLS that say nothing to the end of an idle session, when the server leaves
_SPARE_FILES = 512  # descriptors beside those of clients: models, databases, logs

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; `port` is the one it really got."""

    host: str
    port: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """What to type into a client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - read, not bound
        return f"{self.scheme}://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes any free one.

    Raises `port_in_use` (with its holder), `port_forbidden`, `address_unavailable`.
    """
    if not 0 <= port <= 65535:  # getaddrinfo would take it modulo 65536
        raise FreeholdError("address_unavailable", host=f"{host}:{port}", reason="ports go from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as failure:
        raise FreeholdError("address_unavailable", host=f"{host}:{port}", reason=failure) from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address[0] == "::":
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as failure:
        listening.close()
        raise _bind_error(failure, host, port) from None
    listening.setblocking(False)
    return listening


def serve(
    app: App,
    host: str,
    port: int,
    *,
    grace_s: float = 30.0,
    bounds: Bounds | None = None,
    on_ready: Callable[[Address], None] | None = None,
    on_drain: Callable[[], None] | None = None,
) -> bool:
    """Serve `app` until SIGTERM or SIGINT; True when everything in flight was finished by then.

    `on_ready` is called once requests are answered. A signal calls `on_drain` (readiness goes off), stops accepting,
    finishes what is in flight within `grace_s`, and leaves; a second signal leaves at once. Raises what `bind` does.
    """
    listening = bind(host, port)
    return Listener(app, listening, grace_s=grace_s, bounds=bounds, on_ready=on_ready, on_drain=on_drain).run_all()


class Listener(uvicorn.Server):
    """uvicorn on a socket of ours, with our way to leave; with `https`, clients of its plain port are sent there."""

    def __init__(
        self,
        app: App,
        listening: socket.socket,
        *,
        grace_s: float = 30.0,
        bounds: Bounds | None = None,
        https: Https | None = None,
        on_ready: Callable[[Address], None] | None = None,
        on_drain: Callable[[], None] | None = None,
    ) -> None:
        host, port = listening.getsockname()[:2]
        self.address = Address(host, port, "http" if https is None else "https")
        self._bounds = bounds = bounds or Bounds()
        self._app = app
        self._listening = listening
        self._https = https
        self._plain = https.plain if https is not None else None
        self._plain_state = ServerState()
        self._life = AsyncExitStack()
        self._grace_s = grace_s
        self._on_ready = on_ready
        self._on_drain = on_drain
        self._finished_all = True
        self.threads = Threads()
        """For what blocks; what still runs on them when all has ended is left behind."""
        _allow_files(2 * bounds.connections + _SPARE_FILES)  # behind each may be one to another server
        hsts = [("strict-transport-security", f"max-age={https.hsts_s}")] if https is not None and https.hsts_s else []
        super().__init__(self._settings(app, hsts))

    def run_all(self) -> bool:
        """Run until a signal, on a new event loop; True when nothing in flight was cut short."""
        self.run(sockets=[self._listening])
        return self._finished_all

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().set_default_executor(self.threads)
        if self._https is not None:
            await self._life.enter_async_context(self._https.life())
        await super().startup([])  # the app's own beginning; the sockets are listened on here
        await self._listen()
        if self.started and self._on_ready is not None:
            named = self._https.host if self._https is not None else None
            self._on_ready(self.address if named is None else replace(self.address, host=named))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave: readiness off, no new connections, the rest within the grace time, then the app's own end."""
        if self._on_drain is not None:
            self._on_drain()
        state = self.server_state
        _log.info("leaving", extra={"in_flight": len(state.tasks), "grace_s": self._grace_s})
        for server in self.servers:
            server.close()
        self._listening.close()
        if self._plain is not None:
            self._plain.close()
        for connection in [*state.connections, *self._plain_state.connections]:
            connection.shutdown()  # idle ones close now, the others after their answer
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_s
        while state.tasks or state.connections:
            if self.force_exit or loop.time() >= deadline:
                break
            if self._https is not None and not state.tasks:
                deadline = min(deadline, loop.time() + _GOODBYE_S)
            await asyncio.sleep(_POLL_S)
        if state.tasks:
            await self._cut_short(list(state.tasks))
        await self._life.aclose()
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _listen(self) -> None:
        """A client that leaves its handshake open is let go as one that leaves its request's head open."""
        loop = asyncio.get_running_loop()
        https, plain = self._https, self._plain
        if https is None:
            connection = self._connections(self.config, self.server_state)
            self.servers.append(await loop.create_server(connection, sock=self._listening, backlog=BACKLOG))
            return
        self.servers.append(
            await loop.create_server(
                self._connections(self.config, self.server_state),
                sock=self._listening,
                backlog=BACKLOG,
                ssl=https.context,
                ssl_handshake_timeout=self._bounds.head_s,
                ssl_shutdown_timeout=self._bounds.stalled_s,  # the last answer may still be on its way
            )
        )
        if plain is not None:
            settings = self._settings(Redirect(https, self.address.port, self._app))
            settings.load()
            connection = self._connections(settings, self._plain_state)  # where no header of HTTPS's is added
            self.servers.append(await loop.create_server(connection, sock=plain, backlog=BACKLOG))

    def _connections(self, settings: uvicorn.Config, state: ServerState) -> Callable[[], Connection]:
        return partial(Connection, self._bounds, self._app.count, settings, state, self.lifespan.state)

    def _settings(self, app: Application, headers: list[tuple[str, str]] | None = None) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            http=Connection,
            timeout_keep_alive=self._bounds.keep_alive_s,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            headers=headers,
            server_header=False,
            proxy_headers=False,  # nothing here trusts a client's address
            backlog=BACKLOG,
        )

    async def _cut_short(self, tasks: list[asyncio.Task[None]]) -> None:
        """End what is still in flight; every request gets its answer (`shutdown_cut`)."""
        self._finished_all = False
        _log.warning("requests cut short", extra={"requests": len(tasks)})
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_LAST_WORDS_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first asks to leave, the second to leave at once."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def _bind_error(failure: OSError, host: str, port: int) -> FreeholdError:
    if failure.errno == errno.EADDRINUSE:
        return FreeholdError(
            "port_in_use", port=port, host=host, holder=port_holder(port), suggested=_free_port(host, port)
        )
    if failure.errno == errno.EACCES:
        try:
            first_free = int(UNPRIVILEGED_FROM.read_text())
        except (OSError, ValueError):
            first_free = 1024
        return FreeholdError("port_forbidden", port=port, first_free=first_free)
    return FreeholdError("address_unavailable", host=f"{host}:{port}", reason=failure)


def _free_port(host: str, port: int) -> int:
    """A port near `port` that can be listened on just now, else 0 (any)."""
    for candidate in range(port + 1, min(port + 21, 65536)):
        try:
            with socket.create_server((host, candidate)):
                return candidate
        except OSError:
            continue
    return 0


def _allow_files(wanted: int) -> None:
    """Raise the soft limit of open files to what the bound on connections needs, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
