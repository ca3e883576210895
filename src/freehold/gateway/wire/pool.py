"""The connections to one server, kept open between requests."""

import asyncio
import errno
import ssl
from functools import partial
from urllib.parse import quote, urlsplit

from freehold.gateway.wire.answer import Answer, StaleError, UnreachableError
from freehold.gateway.wire.connection import Connection

CONNECT_S = 5.0
KEEP_ALIVE_S = 4.0  # less than the 5 s after which uvicorn, and so vLLM, closes: a request must not meet that end

_SAFE = "/%:@!$&'()*+,;=~"  # what a path may hold beside letters and digits (RFC 3986, 3.3), and its escapes


class Pools:
    """The connections to all servers that a gateway asks, by scheme, host and port."""

    def __init__(self, trusted: ssl.SSLContext | None = None) -> None:
        """`trusted` says whom to believe over https, and who we are; None: the system's authorities."""
        self._trusted = trusted
        self._pools: dict[str, Pool] = {}

    def at(self, url: str) -> tuple["Pool", bytes]:
        """The connections to the server of `url`, and what a request to it names as its target."""
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        origin = f"{scheme}://{host}"
        pool = self._pools.get(origin)
        if pool is None:
            if scheme == "https" and self._trusted is None:
                self._trusted = ssl.create_default_context()
            pool = self._pools[origin] = Pool(origin, self._trusted)
        return pool, f"/{path if path.isascii() else quote(path, _SAFE)}".encode("ascii")

    def close(self) -> None:
        """Close what is idle now; what is in use ends with its answer."""
        for pool in self._pools.values():
            pool.close()


class Pool:
    """Connections to the server of `url`, of which only scheme, host and port count. Used in one event loop.

    How many there are is bounded by those who ask. No proxy is used.
    """

    def __init__(self, url: str, trusted: ssl.SSLContext | None = None) -> None:
        """`trusted` says whom to believe over https, and who we are; None: the system's authorities."""
        parts = urlsplit(url)
        encrypted = parts.scheme == "https"
        self.host = parts.netloc.encode("ascii")
        """What the `host` header of a request says."""
        self._address = parts.hostname or ""
        self._port = parts.port or (443 if encrypted else 80)
        self._tls = (trusted or ssl.create_default_context()) if encrypted else None
        self._idle: dict[Connection, None] = {}  # in the order in which they became idle
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, head: bytes, body: bytes, *, silence_s: float, headless: bool = False) -> Answer:
        """The answer to a request that is here whole, once its head has come. Raises `WireError`.

        A connection that its server closed while it was idle costs no request: it is sent again on a new one. One that
        may have arrived is not, since its server may have ended because of it.
        """
        connection = self._idle.popitem()[0] if self._idle else await self.connect()
        while True:
            answer = connection.ask(head, body, silence_s=silence_s, headless=headless)
            try:
                await answer.begun()
            except StaleError:
                connection = await self.connect()
            except asyncio.CancelledError:
                answer.close()
                raise
            else:
                return answer

    async def connect(self) -> Connection:
        """A new connection. Raises `UnreachableError`."""
        loop = asyncio.get_running_loop()
        new = partial(Connection, self._keep, self._forget)
        name = self._address if self._tls is not None else None
        try:
            async with asyncio.timeout(CONNECT_S):
                transport, connection = await loop.create_connection(
                    new, self._address, self._port, ssl=self._tls, server_hostname=name
                )
        except (OSError, UnicodeError) as failure:  # of resolving, of connecting, of TLS, of time
            raise UnreachableError from failure
        if transport.is_closing():  # its server has left at once: nothing is asked on it, so another may be
            raise UnreachableError from ConnectionResetError(errno.ECONNRESET, "closed when it was made")
        return connection

    def close(self) -> None:
        """Close what is idle now; what is in use ends with its answer."""
        self._closed = True
        for connection in list(self._idle):
            connection.close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _keep(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
            return
        self._idle[connection] = None
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._sweep)

    def _forget(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def _sweep(self) -> None:
        """Close what has been idle for so long that its server may be about to."""
        self._sweeping = None
        loop = asyncio.get_running_loop()
        while self._idle:
            longest = next(iter(self._idle))
            due = longest.idle_since + KEEP_ALIVE_S
            if due > loop.time():
                self._sweeping = loop.call_at(due, self._sweep)
                return
            longest.close()
