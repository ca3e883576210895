"""The register of keys: who has one, with what role and scope, kept as SHA-256 in the database.

Every change of a row takes the next number, so that whoever knows all up to one number asks for what came after it.
A fast hash is right here: a key is not a password, nobody can guess 256 random bits however fast the hash is
(NIST SP 800-63B asks for slow hashes for memorised secrets only).
"""

import hashlib
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import msgspec

from freehold.access.act import Act, written
from freehold.access.database import Database, Row, Transaction
from freehold.access.key import DEFAULT_TENANT, UNLIMITED, Key, Limits
from freehold.access.private import write_private
from freehold.access.roles import ROLES, Role
from freehold.access.trail import Trail
from freehold.config.forms import ID
from freehold.errors import FreeholdError

PREFIX = "fh_"
INITIAL = "initial"
INTERNAL = "internal"
INITIAL_FILE = "initial-key"
AREA = "keys"
LONGEST = 512
"""Characters. No key is longer: what is presented beyond this is not even hashed."""

STEPS = (
    (
        "CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, role TEXT NOT NULL, sha256 BYTEA NOT NULL UNIQUE,"
        " created_at DOUBLE PRECISION NOT NULL, revoked_at DOUBLE PRECISION)",  # as releases before versions made it
    ),
    (
        f"ALTER TABLE keys ADD COLUMN tenant TEXT NOT NULL DEFAULT '{DEFAULT_TENANT}'",
        "ALTER TABLE keys ADD COLUMN team TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE keys ADD COLUMN models TEXT",
        "ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE keys ADD COLUMN expires_at DOUBLE PRECISION",
        "ALTER TABLE keys ADD COLUMN rotated_at DOUBLE PRECISION",
        "ALTER TABLE keys ADD COLUMN previous_sha256 BYTEA",
        "ALTER TABLE keys ADD COLUMN previous_until DOUBLE PRECISION",
        "ALTER TABLE keys ADD COLUMN change BIGINT NOT NULL DEFAULT 1",
        "CREATE INDEX keys_by_change ON keys (change)",
    ),
)
_COLUMNS = (
    "name, role, tenant, team, models, limits, created_at, expires_at, rotated_at, revoked_at, sha256, previous_sha256,"
    " previous_until"
)
_NEXT = "(SELECT COALESCE(MAX(change), 0) + 1 FROM keys)"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the register. Times are seconds since 1970; `models` None is all of the tenant.

    After `rotate`, `previous_sha256` is that of the key before, which counts until `previous_until`.
    """

    name: str
    role: Role
    tenant: str
    team: str
    models: frozenset[str] | None
    limits: Limits
    created_at: float
    expires_at: float | None
    rotated_at: float | None
    revoked_at: float | None
    sha256: bytes
    previous_sha256: bytes | None
    previous_until: float | None

    def counting(self) -> Iterator[Key]:
        """What counts as this record: nothing once it is revoked, two keys while one takes the other's place."""
        if self.revoked_at is not None:
            return
        yield self._key(self.sha256, self.expires_at)
        if self.previous_sha256 is not None and self.previous_until is not None:
            ends = (self.previous_until, self.expires_at)
            yield self._key(self.previous_sha256, min(end for end in ends if end is not None))

    def _key(self, sha256: bytes, expires_at: float | None) -> Key:
        return Key(
            self.name,
            self.role,
            self.created_at,
            sha256,
            tenant=self.tenant,
            models=self.models,
            team=self.team,
            limits=self.limits,
            expires_at=expires_at,
        )


class Register:
    """The keys of one installation as they are kept. Every method raises what its Database raises."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        trail: Trail | None = None,
        who: str = "",
    ) -> None:
        """Brings the tables of `database` to this release's version. Raises `database_newer`.

        `clock` gives the seconds since 1970. What `who` changes is written to `trail` with it or not at all.
        """
        self.database = database
        self._clock = clock
        self._trail = trail
        self._who = who
        database.migrate(AREA, STEPS)

    def never_used(self) -> bool:
        """Whether no key was ever made; one that was revoked counts as made."""
        with self.database.reading() as transaction:
            return not transaction.rows("SELECT 1 FROM keys LIMIT 1")

    def create(
        self,
        name: str,
        role: Role,
        *,
        tenant: str = DEFAULT_TENANT,
        team: str = "",
        models: Iterable[str] | None = None,
        limits: Limits = UNLIMITED,
        expires_at: float | None = None,
    ) -> str:
        """A new key, in the only moment in which it is known.

        Raises `key_name_taken`, also for the name of a revoked key: usage and audit tell them apart by nothing else;
        `key_name_invalid`, `role_unknown`, `key_expiry_past`.
        """
        for what, value in (("name", name), ("tenant", tenant), ("team", team or "none")):
            if not re.fullmatch(ID, value):
                raise FreeholdError("key_name_invalid", what=what, value=value)
        if role not in ROLES:
            raise FreeholdError("role_unknown", role=role, known=", ".join(ROLES))
        if expires_at is not None and expires_at <= self._clock():
            raise FreeholdError("key_expiry_past")
        scope = None if models is None else sorted(set(models))
        key = new_key()
        told: dict[str, Any] = {"role": role, "team": team, "models": ", ".join(scope or ()), **asdict(limits)}
        told |= {} if expires_at is None else {"expires_at": written(int(expires_at * 1000))}
        may = {what: said for what, said in told.items() if said}
        with self._changing("keys.create", name, tenant, **may) as transaction:
            self._insert(transaction, key, (name, role, tenant, team, _json(scope), _json(limits), expires_at))
        return key

    def create_initial(self, folder: Path) -> Path | None:
        """Where there is no key yet: make one named `initial` and write it to `folder`; the path of that file.

        The file comes first: a key that is in the database and in nobody's hands would lock the house. Two processes
        that start at once make one key. Raises OSError where database or folder cannot be written.
        """
        if not self.never_used():
            return None  # before the transaction, which a folder that may only be read does not allow
        key, path = new_key(), folder / INITIAL_FILE
        try:
            with self._changing("keys.create", INITIAL, DEFAULT_TENANT, role="client") as transaction:
                if transaction.rows("SELECT 1 FROM keys LIMIT 1"):
                    raise _MadeMeanwhile
                write_private(path, key.encode("ascii") + b"\n")
                self._insert(transaction, key, (INITIAL, "client", DEFAULT_TENANT, "", None, _json(UNLIMITED), None))
        except _MadeMeanwhile:
            return None
        return path

    def records(self) -> list[Record]:
        """All records by name, those of revoked keys, too."""
        return self._records("ORDER BY name")

    def find(self, name: str) -> Record:
        """The record of one name. Raises `key_unknown`."""
        records = self._records("WHERE name = ?", name)
        if not records:
            raise FreeholdError("key_unknown", name=name)
        return records[0]

    def revoke(self, name: str) -> Record:
        """End a key, and the one before it, for good; one that was revoked stays as it is. Raises `key_unknown`."""
        tenant = self.find(name).tenant
        with self._changing("keys.revoke", name, tenant) as transaction:
            transaction.execute(
                f"UPDATE keys SET revoked_at = ?, change = {_NEXT} WHERE name = ? AND revoked_at IS NULL",  # noqa: S608 - words of our own
                (self._clock(), name),
            )
        return self.find(name)

    def rotate(self, name: str, overlap_s: float) -> str:
        """A new key in the place of `name`'s, which counts for `overlap_s` more seconds; one before that ends now.

        Name, role, scopes, limits and expiry stay. Raises `key_unknown`, `key_revoked`.
        """
        key, now, tenant = new_key(), self._clock(), self.find(name).tenant
        with self._changing("keys.rotate", name, tenant, overlap_s=round(overlap_s)) as transaction:
            if transaction.rows("SELECT 1 FROM keys WHERE name = ? AND revoked_at IS NOT NULL", (name,)):
                raise FreeholdError("key_revoked", name=name)
            transaction.execute(
                "UPDATE keys SET previous_sha256 = sha256, previous_until = ?, sha256 = ?, rotated_at = ?,"  # noqa: S608 - words of our own
                f" change = {_NEXT} WHERE name = ?",
                (now + overlap_s, digest(key), now, name),
            )
        return key

    def limit(self, name: str, changed: Mapping[str, int | None]) -> Record:
        """Change the limits that `changed` names, where None takes the key's own away; what was used stays used.

        Raises `key_unknown`, `key_revoked`.
        """
        tenant = self.find(name).tenant
        told = {what: "none" if limit is None else limit for what, limit in changed.items()}
        with self._changing("keys.limit", name, tenant, **told) as transaction:
            ((limits, revoked_at),) = transaction.rows("SELECT limits, revoked_at FROM keys WHERE name = ?", (name,))
            if revoked_at is not None:
                raise FreeholdError("key_revoked", name=name)
            after = replace(msgspec.json.decode(limits, type=Limits), **changed)
            transaction.execute(
                f"UPDATE keys SET limits = ?, change = {_NEXT} WHERE name = ?",  # noqa: S608 - words of our own
                (_json(after), name),
            )
        return self.find(name)

    def changes(self, known: int) -> tuple[int, Sequence[Record]]:
        """The number of the latest change, and the records that changed after number `known`."""
        with self.database.reading() as transaction:
            ((latest,),) = transaction.rows("SELECT COALESCE(MAX(change), 0) FROM keys")
        return latest, self._records("WHERE change > ? AND change <= ?", known, latest) if latest > known else ()

    def _records(self, which: str, *values: str | int) -> list[Record]:
        with self.database.reading() as transaction:
            rows = transaction.rows(f"SELECT {_COLUMNS} FROM keys {which}", values)  # noqa: S608 - words of our own
        scopes: dict[str | None, frozenset[str] | None] = {None: None}
        limits: dict[str, Limits] = {}
        return [_record(row, scopes, limits) for row in rows]

    def _insert(self, transaction: Transaction, key: str, columns: tuple[str | float | None, ...]) -> None:
        name = columns[0]
        if name == INTERNAL or transaction.rows("SELECT 1 FROM keys WHERE name = ?", (name,)):
            raise FreeholdError("key_name_taken", name=name)
        transaction.execute(
            "INSERT INTO keys (name, role, tenant, team, models, limits, expires_at, sha256, created_at, change)"  # noqa: S608 - words of our own
            f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {_NEXT})",
            (*columns, digest(key), self._clock()),
        )

    @contextmanager
    def _changing(self, what: str, name: str, tenant: str, **details: str | int) -> Iterator[Transaction]:
        """A transaction in which the key `name` is changed, and the audit's line of that."""
        if self._trail is None:
            with self.database.writing() as transaction:
                yield transaction
            return
        act = Act(what, self._who, tenant, details={"key": name, **details})
        with self.database.writing() as transaction:
            yield transaction
            head = self._trail.append_in(transaction, [act])
        self._trail.keep(head)


class _MadeMeanwhile(Exception):  # noqa: N818 - an event, no error
    """Another process made the first key."""


def new_key() -> str:
    """256 random bits behind the prefix by which leaked keys are found."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> bytes:
    """What is kept of a key: its SHA-256, 32 bytes."""
    return hashlib.sha256(key[:LONGEST].encode("utf-8", "surrogatepass")).digest()


def _record(row: Row, scopes: dict[str | None, frozenset[str] | None], limits: dict[str, Limits]) -> Record:
    """A row as a Record; equal scopes and limits of 100,000 keys are one object each."""
    role: Role
    name, role, tenant, team, models, limited, *rest = row
    if models not in scopes:
        scopes[models] = frozenset(map(sys.intern, msgspec.json.decode(models, type=list[str])))
    if limited not in limits:
        limits[limited] = msgspec.json.decode(limited, type=Limits)
    known = cast(Role, sys.intern(role))  # as `create` wrote it
    return Record(name, known, sys.intern(tenant), sys.intern(team), scopes[models], limits[limited], *rest)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
