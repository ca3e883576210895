"""What stands behind a door that asks for keys: limits that are counted, usage and audit that are written."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from types import MappingProxyType

from freehold.access import Database, Keys
from freehold.access.act import Act
from freehold.access.books import Books
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules
from freehold.access.trail import OURSELVES
from freehold.cli.access import database_url, node
from freehold.config import Access
from freehold.http import Entrance
from freehold.http.bookkeeping import Bookkeeping
from freehold.http.proxies import TrustedProxies
from freehold.http.visit import Owners
from freehold.telemetry import Telemetry, names

log = logging.getLogger(__name__)


class Guard:
    """The entrance of one node by `access`, and what lives beside it."""

    def __init__(
        self,
        access: Access,
        keys: Keys,
        home: Path,
        telemetry: Telemetry,
        owners: Callable[[], Owners],
        *,
        until_keys: bool = False,
    ) -> None:
        """`until_keys` as of `Entrance`. Raises OSError where the database that `access` names cannot be used.

        Where there is none but that of `home`, and it cannot be used, usage and audit last as long as the process; but
        who wants a line for every request, or else no request, has none of that.
        """
        url = database_url(access, os.environ)
        must_last = access.audit.inference and access.audit.when_full == "refuse"
        connect: Callable[[], Database] = partial(Database.open, home, url)
        try:
            self._books = _books(connect(), access, telemetry, home if home.is_dir() else None)
        except OSError as failure:
            if url is not None or must_last:
                raise
            log.warning("usage and audit are kept in memory, and end with this process: %s", failure)
            connect = Database.in_memory
            self._books = _books(connect(), access, telemetry, None)
        host = socket.gethostname()
        self._quota = Quota(SharedLeases(connect, f"{host}-{token_hex(8)}"), Rules.of(access))
        telemetry.gauge(names.QUOTA_FAILING, lambda: float(not self._quota.is_reachable))
        self.entrance = Entrance(
            keys,
            owners,
            quota=self._quota,
            ledger=Bookkeeping(self._books.usage, self._books.audit),
            proxies=TrustedProxies(access.trusted_proxies),
            until_keys=until_keys,
            content=access.audit.inference and access.audit.content,
        )

    def follow(self, access: Access) -> None:
        """Go on by the limits of a file that has changed; its other settings of access wait for a restart."""
        self._quota.follow(Rules.of(access))

    def did(self, what: str, details: Mapping[str, str]) -> None:
        """Have the line written soon of what this node did by itself."""
        self._books.audit.note(Act(what, OURSELVES, details=details))

    @asynccontextmanager
    async def life(self, details: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[None]:
        """While it lasts limits are shared with other nodes and books are written; at its end nothing is left over.

        Both ends stand in the audit, the first with `details`: who acts while no server runs leaves a gap between them.
        """
        self.did("server.start", details)
        await asyncio.to_thread(self._books.audit.flush)  # it stands before all that requests do
        self._books.start()
        try:
            async with self._quota.running():
                yield
        finally:
            self.did("server.stop", {})
            await asyncio.to_thread(self._books.close)


def _books(database: Database, access: Access, telemetry: Telemetry, home: Path | None) -> Books:
    """The books in `database`, which is theirs. The head of a chain that is kept stands in `home`, too."""
    try:
        return Books(database, node(), telemetry, access, home)
    except BaseException:
        database.close()
        raise
