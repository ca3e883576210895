"""Books that have a line for every request, with what was asked and answered where that is wanted."""

from pathlib import Path
from typing import Any

from freehold.access import Database, Keys
from freehold.access.books import Books
from freehold.access.trail import Query
from freehold.access.verdict import verify
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.http import Entrance
from freehold.http.bookkeeping import Bookkeeping
from freehold.telemetry import Telemetry


class Audited:
    """Such books in `home`, and the entrance to them with `key`, that of a client."""

    def __init__(self, home: Path, *, content: bool = True) -> None:
        access = Access(audit=Auditing(inference=True, content=content))
        self._keys = Keys.in_memory()
        self._books = Books(Database.open(home), "n", Telemetry(process=False), access)
        self.key = self._keys.create("dify", "client")
        ledger = Bookkeeping(self._books.usage, self._books.audit)
        self.entrance = Entrance(self._keys, ledger=ledger, content=content)

    def lines(self) -> list[dict[str, Any]]:
        """All that is written by now, in a chain that is whole."""
        self._books.audit.flush()
        trail = self._books.audit.trail
        assert verify(trail).whole
        return [kept.document() for page in trail.pages(Query(None)) for kept in page]

    def close(self) -> None:
        """Write what is left."""
        self._books.close()
        self._keys.close()
