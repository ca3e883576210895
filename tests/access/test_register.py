"""The register of keys, on both databases: made once, kept as hashes, revoked, rotated, migrated."""

import hashlib
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.access import UNLIMITED, Database, Limits, Register
from freehold.access.trail import Query, Trail
from freehold.access.verdict import verify
from freehold.access.witness import Witness
from freehold.errors import FreeholdError
from tests.access.conftest import Place


@pytest.fixture
def register(database: Database) -> Register:
    """An empty register."""
    return Register(database)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with a database as releases before versions made it, one key of two revoked."""
    with sqlite3.connect(tmp_path / "access.db") as old:
        old.execute(
            "CREATE TABLE keys (name TEXT PRIMARY KEY, role TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE,"
            " created_at REAL NOT NULL, revoked_at REAL)"
        )
        old.execute("INSERT INTO keys VALUES ('dify', 'client', ?, 1.5, NULL)", (b"d" * 32,))
        old.execute("INSERT INTO keys VALUES ('gone', 'client', ?, 1.5, 2.5)", (b"g" * 32,))
    old.close()
    return tmp_path


def test_what_was_created_is_kept(register: Register) -> None:
    """With its scopes and limits; the key is 256 random bits behind the prefix by which leaked ones are found."""
    limits = Limits(requests_per_minute=10, parallel=2)
    until = time.time() + 1000
    key = register.create(
        "dify", "operator", tenant="acme", team="search", models=["b", "a", "b"], limits=limits, expires_at=until
    )
    assert key.startswith("fh_")
    assert len(key) == len("fh_") + 43
    record = register.find("dify")
    (counting,) = record.counting()
    assert (counting.name, counting.role, counting.tenant, counting.team) == ("dify", "operator", "acme", "search")
    assert (counting.models, counting.limits, counting.expires_at) == (frozenset({"a", "b"}), limits, until)
    assert counting.sha256 == hashlib.sha256(key.encode()).digest()


def test_without_scopes_a_key_is_the_default_tenants_for_all_models(register: Register) -> None:
    """And without limits, for ever."""
    register.create("dify", "client")
    record = register.find("dify")
    assert (record.tenant, record.team, record.models) == ("default", "", None)
    assert (record.limits, record.expires_at) == (UNLIMITED, None)


def test_a_key_for_no_model_is_none_for_all(register: Register) -> None:
    """An empty scope is a scope."""
    register.create("dify", "client", models=[])
    assert register.find("dify").models == frozenset()


@pytest.mark.parametrize("ends", ["stays", "is revoked"])
def test_a_name_is_taken_once(register: Register, ends: str) -> None:
    """Usage and audit tell keys apart by their names, those of revoked ones, too."""
    register.create("dify", "client")
    if ends == "is revoked":
        register.revoke("dify")
    for name in ("dify", "internal"):
        with pytest.raises(FreeholdError, match="key_name_taken"):
            register.create(name, "client")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "a" * 129, "名", "a;--"])
def test_names_are_plain(register: Register, name: str) -> None:
    """They stand in logs, metrics, CSV and URLs. A team may be left out."""
    for wrong in ({"name": name}, {"name": "a", "tenant": name}, {"name": "a", "team": name or " "}):
        with pytest.raises(FreeholdError, match="key_name_invalid"):
            register.create(role="client", **wrong)
    assert register.never_used()


def test_what_makes_no_sense_is_not_created(register: Register) -> None:
    """A role that there is not; a key that has expired before it is made."""
    with pytest.raises(FreeholdError, match="role_unknown"):
        register.create("a", "root")
    with pytest.raises(FreeholdError, match="key_expiry_past"):
        register.create("a", "client", expires_at=time.time() - 1)
    assert register.never_used()


def test_revoking_is_for_good(register: Register) -> None:
    """Twice is as once; nothing brings it back."""
    register.create("dify", "client")
    register.rotate("dify", 3600)
    first = register.revoke("dify")
    assert list(first.counting()) == []
    assert register.revoke("dify").revoked_at == first.revoked_at
    with pytest.raises(FreeholdError, match="key_revoked"):
        register.rotate("dify", 0)


def test_what_there_is_not_can_be_neither_revoked_nor_rotated(register: Register) -> None:
    """A name that was mistyped is told, and nothing is changed."""
    for change in (register.revoke, register.find, lambda name: register.rotate(name, 0)):
        with pytest.raises(FreeholdError, match="key_unknown"):
            change("dify")


def test_rotating_keeps_everything_but_the_key(register: Register) -> None:
    """The one before counts for the overlap; the one before that no more."""
    first = register.create("dify", "client", models=["a"], limits=Limits(parallel=1))
    second = register.rotate("dify", 3600)
    now, before = register.find("dify").counting()
    assert (now.sha256, before.sha256) == (_sha256(second), _sha256(first))
    assert now.expires_at is None
    assert before.expires_at == pytest.approx(time.time() + 3600, abs=60)
    assert (before.models, before.limits) == (now.models, now.limits)
    third = register.rotate("dify", 0)
    now, before = register.find("dify").counting()
    assert (now.sha256, before.sha256) == (_sha256(third), _sha256(second))


def test_an_overlap_outlives_no_expiry(register: Register) -> None:
    """Both end at the earlier of the two."""
    until = time.time() + 60
    register.create("dify", "client", expires_at=until)
    register.rotate("dify", 3600)
    assert [key.expires_at for key in register.find("dify").counting()] == [until, until]


def test_changes_come_once_each(register: Register) -> None:
    """Whoever knows all up to a number is told what came after it, and nothing else."""
    register.create("a", "client")
    register.create("b", "client")
    known, records = register.changes(0)
    assert {record.name for record in records} == {"a", "b"}
    assert register.changes(known) == (known, ())
    register.revoke("a")
    known, records = register.changes(known)
    assert [record.name for record in records] == ["a"]
    register.rotate("b", 0)
    assert [record.name for record in register.changes(known)[1]] == ["b"]


def test_the_initial_key_is_made_once(register: Register, tmp_path: Path) -> None:
    """In a private file that holds exactly it; never where any key was made before."""
    path = register.create_initial(tmp_path)
    assert path == tmp_path / "initial-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _sha256(path.read_text().strip()) == register.find("initial").sha256
    assert register.create_initial(tmp_path) is None
    assert [record.name for record in register.records()] == ["initial"]


def test_processes_that_start_at_once_make_one_initial_key(place: Place, tmp_path: Path) -> None:
    """The file holds the one that is valid."""
    gate = threading.Barrier(4)
    made: list[Path | None] = []

    def start() -> None:
        with place.open() as database:
            register = Register(database)
            gate.wait()
            made.append(register.create_initial(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path is None for path in made) == [False, True, True, True]
    with place.open() as database:
        key = (tmp_path / "initial-key").read_text().strip()
        assert Register(database).find("initial").sha256 == _sha256(key)


def test_no_initial_key_is_valid_when_its_file_cannot_be_written(register: Register, tmp_path: Path) -> None:
    """A key in nobody's hands would lock the house: the next start may make another."""
    with pytest.raises(OSError, match="gone"):
        register.create_initial(tmp_path / "gone")
    assert register.never_used()


def test_the_register_of_an_earlier_release_is_taken_over(home: Path) -> None:
    """Its keys go on counting, those that were revoked do not; new ones are made beside them."""
    with Database.open(home) as database:
        register = Register(database)
        dify, gone = register.records()
        assert [(key.sha256, key.tenant, key.models) for key in dify.counting()] == [(b"d" * 32, "default", None)]
        assert list(gone.counting()) == []
        register.create("new", "admin")
        assert len(register.changes(0)[1]) == 3


def test_the_key_itself_is_kept_nowhere(tmp_path: Path) -> None:
    """The database has its hash."""
    with Database.open(tmp_path) as database:
        key = Register(database).create("dify", "client")
        kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert key.encode() not in kept
    assert hashlib.sha256(key.encode()).digest() in kept


def test_limits_are_changed_one_by_one(register: Register) -> None:
    """What is not named stays; it is a change that running servers learn of, and the key stays the same."""
    register.create("dify", "client", limits=Limits(requests_per_minute=10, parallel=2))
    (before,) = register.find("dify").counting()
    known, _ = register.changes(0)
    after = register.limit("dify", {"requests_per_minute": None, "tokens_per_day": 500})
    assert after.limits == Limits(tokens_per_day=500, parallel=2)
    _, (changed,) = register.changes(known)
    (counting,) = changed.counting()
    assert (counting.sha256, counting.limits) == (before.sha256, after.limits)
    with pytest.raises(FreeholdError, match="key_unknown"):
        register.limit("nobody", {"parallel": 1})
    register.revoke("dify")
    with pytest.raises(FreeholdError, match="key_revoked"):
        register.limit("dify", {"parallel": 1})


def test_every_change_has_its_line_in_the_audit(database: Database, tmp_path: Path) -> None:
    """Written with it or not at all: a change that failed has none."""
    trail = Trail(database, "node", Witness(tmp_path))
    register = Register(database, trail=trail, who="ada@terminal")
    register.create_initial(tmp_path)
    scope: dict[str, Any] = {"team": "search", "models": ["m", "n"], "expires_at": 4e9, "limits": Limits(parallel=2)}
    register.create("dify", "client", tenant="acme", **scope)
    with pytest.raises(FreeholdError, match="key_name_taken"):
        register.create("dify", "client")
    register.rotate("dify", 60)
    register.limit("dify", {"parallel": 4, "tokens_per_day": None})
    register.revoke("dify")
    with pytest.raises(FreeholdError, match="key_revoked"):
        register.rotate("dify", 60)
    lines = [kept.document() for page in trail.pages(Query(None)) for kept in page]
    assert [(line["what"], line["tenant"], line["details"]["key"]) for line in lines] == [
        ("keys.create", "default", "initial"),
        ("keys.create", "acme", "dify"),
        ("keys.rotate", "acme", "dify"),
        ("keys.limit", "acme", "dify"),
        ("keys.revoke", "acme", "dify"),
    ]
    may = {"role": "client", "team": "search", "models": "m, n", "expires_at": "2096-10-02T07:06:40.000Z"}
    assert lines[1]["details"] == {"key": "dify", "parallel": 2, **may}
    assert lines[3]["details"] == {"key": "dify", "parallel": 4, "tokens_per_day": "none"}
    assert {line["who"] for line in lines} == {"ada@terminal"}
    assert verify(trail).whole


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
