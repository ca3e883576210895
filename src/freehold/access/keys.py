"""The keys that count now, in memory: a request asks no database, a thread follows what changes there."""

import logging
import platform
import threading
import time
from collections.abc import Callable, Sequence
from hmac import compare_digest
from pathlib import Path

from freehold.access.database import FILE, Database
from freehold.access.guessing import Guessing
from freehold.access.key import Key
from freehold.access.register import INTERNAL, Record, Register, digest
from freehold.access.roles import Role
from freehold.access.trail import OURSELVES, Trail
from freehold.access.witness import Witness
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

REFRESH_S = 0.25
"""How long a key that another process made or revoked may go unnoticed, beside the time that the database takes."""
LEAST_S = 0.05
"""A key that nobody knows has the database asked at once, since it may be new; but not more often than this."""


class Keys:
    """The keys of one installation. `check` and `accept` belong to one thread, the others to any."""

    def __init__(self, register: Register, clock: Callable[[], float] = time.time) -> None:
        """`open` and `in_memory` make one. `clock` gives the seconds since 1970."""
        self.register = register
        self.guessing = Guessing()
        self.trouble: FreeholdError | None = None
        """That changes are not noticed now; the keys that are known go on counting. Anybody may read it: where the
        database is, and what ails it, is for the log alone."""
        self._keys: dict[bytes, Key] = {}
        self._given: dict[bytes, Key] = {}
        self._clock = clock
        self._latest = 0.0
        self._change = 0
        self._openings = register.database.openings
        self._refreshing = threading.Lock()
        self._ended = threading.Event()
        self._wanted = threading.Event()
        self._follower: threading.Thread | None = None
        self.refresh()

    @classmethod
    def open(cls, home: Path, url: str | None = None) -> "Keys":
        """The keys that are kept at `url`, else in `home`, followed until `close`.

        Raises OSError where that cannot be used, `keys_unreadable` where it is damaged, and what Database.open raises.
        """
        database = Database.open(home, url)
        try:
            keys = cls(Register(database))
        except BaseException:
            database.close()
            raise
        keys._follower = threading.Thread(target=keys._follow, name="keys", daemon=True)
        keys._follower.start()
        return keys

    @staticmethod
    def exist_in(home: Path) -> bool:
        """Whether `home` holds a database of keys. Raises OSError where that cannot be told."""
        try:
            (home / FILE).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    @classmethod
    def in_memory(cls) -> "Keys":
        """Keys that end with the process."""
        return cls(Register(Database.in_memory()))

    def close(self) -> None:
        """Follow no longer, and close the database."""
        self._ended.set()
        self._wanted.set()
        if self._follower is not None:
            self._follower.join()
        self.register.database.close()

    @property
    def none_made(self) -> bool:
        """Whether no key was ever made, as far as is known; one that was revoked counts as made."""
        return self._change == 0

    def create(self, name: str, role: Role) -> str:
        """A key without scopes and limits that counts at once. Raises what `Register.create` raises."""
        key = self.register.create(name, role)
        self.refresh()
        return key

    def create_initial(self, folder: Path) -> Path | None:
        """As `Register.create_initial`, with its line in the audit; the key counts at once."""
        if not self.none_made:
            return None
        database = self.register.database
        trail = Trail(database, platform.node(), Witness.of(database, folder))
        path = Register(database, trail=trail, who=OURSELVES).create_initial(folder)
        self.refresh()
        return path

    def accept(self, key: str) -> None:
        """Let `key` count, too, under the name `internal`, for as long as this process lives: it is written nowhere.

        An operator's, since those who have it are our own: a gateway asks for every tenant, a rollout reads metrics.
        """
        sha256 = digest(key)
        self._given[sha256] = Key(INTERNAL, "operator", self._clock(), sha256)

    def check(self, presented: str | None, address: str = "") -> Key:
        """Whose key this is, presented from `address` (empty: it is not known, and nothing is counted).

        Raises `key_missing`, `key_wrong`, `key_expired`, and `key_guessing` for an address with too many wrong ones.
        """
        if not presented:
            raise FreeholdError("key_missing")
        sha256 = digest(presented)
        key = self._keys.get(sha256) or self._given.get(sha256)
        if key is None or not compare_digest(key.sha256, sha256):
            self._wanted.set()
            self.guessing.failed(address, sha256)
            raise FreeholdError("key_wrong")
        if address:
            self.guessing.welcome(address, sha256)
        if key.expires_at is not None and self._now() >= key.expires_at:
            raise FreeholdError("key_expired", name=key.name)
        return key

    def refresh(self) -> None:
        """Take over what changed in the database. Raises OSError where it cannot be asked now."""
        with self._refreshing:
            latest, records = self.register.changes(self._change)
            openings = self.register.database.openings
            if latest < self._change or openings != self._openings:  # another database, or an older state of it
                latest, records = self.register.changes(0)
                self._keys = {key.sha256: key for record in records for key in record.counting()}
            elif records:
                self._take(records)
            self._change, self._openings = latest, openings

    def _take(self, records: Sequence[Record]) -> None:
        """What changed takes the place of what was known under its names. Requests are answered meanwhile."""
        now = {key.sha256: key for record in records for key in record.counting()}
        self._keys.update(now)
        changed = {record.name for record in records if record.rotated_at or record.revoked_at}
        if changed:  # a new key has no other in its place, and all need not be walked
            before = {sha256 for sha256, key in self._keys.items() if key.name in changed}
            for sha256 in before - now.keys():
                del self._keys[sha256]

    def _follow(self) -> None:
        while not self._ended.wait(LEAST_S):
            self._wanted.wait(REFRESH_S)
            self._wanted.clear()
            try:
                self.refresh()
            except Exception as failure:  # noqa: BLE001 - whatever it is: a revoked key must not count for ever after
                self._tell(failure)
            else:
                if self.trouble is not None:
                    log.warning("Changes of keys are noticed again")
                self.trouble = None

    def _tell(self, failure: Exception) -> None:
        """Once, however long it lasts."""
        known = self.trouble is not None
        self.trouble = FreeholdError("keys_unfollowed")
        if not known:
            log.warning("%s Those that are known go on counting. %s", self.trouble.cause, failure)

    def _now(self) -> float:
        """The time, which never goes back: a key that has expired stays so when the clock is set back."""
        self._latest = max(self._latest, self._clock())
        return self._latest
