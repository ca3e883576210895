"""Audit and usage of one process with the thread that writes them behind its requests."""

import logging
import threading
from pathlib import Path

from freehold.access.audit import Audit
from freehold.access.database import Database
from freehold.access.trail import Trail
from freehold.access.usage import Usage
from freehold.access.witness import Witness
from freehold.config import Access
from freehold.errors import FreeholdError
from freehold.telemetry import Telemetry

PERIOD_S = 0.5
"""How often what waits is written: a kill -9 loses at most a second of usage, and of the audit's lines of inference."""
GROUP_S = 60.0  # failed logins of so long are one group of lines
PRUNE_S = 3600.0

_log = logging.getLogger(__name__)


class Books:
    """Opened once a process, before its first request, on a connection of its own: no request waits for it."""

    def __init__(
        self, database: Database, node: str, telemetry: Telemetry, access: Access, home: Path | None = None
    ) -> None:
        """`node` is this machine's name in the audit. The head of the audit is kept in `home`, too, where there is one.

        Raises what `database` raises, where the tables are not there and cannot be made.
        """
        self._audit_days, self._usage_days = access.audit.keep_days, access.usage.keep_days
        self._database = database
        self.usage = Usage(database, telemetry)
        trail = Trail(database, node, Witness.of(database, home) if home is not None else None)
        self.audit = Audit(trail, telemetry, when_full=access.audit.when_full, inference=access.audit.inference)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="books", daemon=True)

    def start(self) -> None:
        """Begin to write behind the requests."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and close the database. Waits for it."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.usage.flush()
        self.audit.close()
        self._database.close()

    def _keep(self) -> None:
        turns, group, prune = 0, round(GROUP_S / PERIOD_S), round(PRUNE_S / PERIOD_S)
        told = ""
        while not self._ended.wait(PERIOD_S):
            turns += 1
            try:
                self._turn(grouped=turns % group == 0, pruned=turns % prune == 1)
            except Exception as failure:  # noqa: BLE001 - whatever it is: without this thread nothing is ever written
                if told != (told := repr(failure)):
                    _log.exception("usage and audit were not written, which is tried again")

    def _turn(self, *, grouped: bool, pruned: bool) -> None:
        if grouped:
            self.audit.group_refused()
        self.usage.flush()
        self.audit.flush()
        if pruned:
            self._prune()

    def _prune(self) -> None:
        try:
            self.audit.trail.prune(self._audit_days)
            self.usage.prune(self._usage_days)
        except FreeholdError:
            return  # it is tried again in an hour, and that the database cannot be written is told where it matters
