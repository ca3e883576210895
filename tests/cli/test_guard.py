"""What stands behind a door that asks for keys."""

import asyncio
from pathlib import Path

import pytest

from freehold.access import Database, Keys
from freehold.access.trail import Query, Trail
from freehold.access.usage import report
from freehold.access.verdict import verify
from freehold.access.witness import FILE, Witness
from freehold.cli.guard import Guard
from freehold.config import Access, KeyLimits
from freehold.config.auditing import Auditing
from freehold.errors import FreeholdError
from freehold.http.visit import Asked
from freehold.telemetry import Telemetry

ASKED = Asked("infer", "POST", "/v1/embeddings", "r1", "192.0.2.9")


def guard(home: Path, access: Access | None = None) -> Guard:
    return Guard(access or Access(), Keys.in_memory(), home, Telemetry(process=False), dict)


async def turned_away(guard: Guard) -> None:
    """One who has no key."""
    async with guard.life():
        with pytest.raises(FreeholdError, match="key_missing"):
            guard.entrance.admit({}, ASKED)


def test_who_is_turned_away_stands_in_the_audit(tmp_path: Path) -> None:
    """In the database of the keys, when the node has ended; the head of the chain lies beside it."""
    asyncio.run(turned_away(guard(tmp_path)))
    database = Database.open(tmp_path)
    trail = Trail(database, "n", Witness(tmp_path))
    assert [(kept.what, kept.document().get("where")) for page in trail.pages(Query(None)) for kept in page] == [
        ("server.start", None),
        ("server.stop", None),
        ("login", "192.0.2.9"),
    ]
    assert verify(trail).whole
    assert (tmp_path / FILE).exists()
    database.close()


def test_without_a_place_they_are_kept_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says that they end with the process."""
    (tmp_path / "file").touch()
    asyncio.run(turned_away(guard(tmp_path / "file" / "home")))
    assert "kept in memory" in caplog.text


def test_who_wants_every_line_gets_no_node_without_them(tmp_path: Path) -> None:
    """Nothing would be left of what it did."""
    (tmp_path / "file").touch()
    with pytest.raises(FreeholdError, match="cannot be reached"):
        guard(tmp_path / "file" / "home", Access(audit=Auditing(inference=True)))


async def ask(guard: Guard, key: str, times: int) -> list[str]:
    """So many requests; what became of each."""
    outcomes = []
    async with guard.life():
        for _ in range(times):
            visit = guard.entrance.admit({b"api-key": key.encode()}, ASKED)
            try:
                await visit.begin()
                visit.answered("m", "sha256:1", 5)
                visit.end(200, 0.0)
                outcomes.append("ok")
            except FreeholdError as error:
                visit.end(429, 0.0)
                outcomes.append(error.code)
    return outcomes


def test_requests_are_limited_and_what_they_used_is_on_disk_at_the_end(tmp_path: Path) -> None:
    """The limit of the configuration, and all of the key's usage, although no request waited for the books."""
    keys = Keys.open(tmp_path)
    key, access = keys.create("dify", "client"), Access(limits=KeyLimits(requests_per_day=2))
    telemetry = Telemetry(process=False)
    limited = Guard(access, keys, tmp_path, telemetry, dict)
    assert asyncio.run(ask(limited, key, 3)) == ["ok", "ok", "quota_requests"]
    assert "freehold_quota_failing 0.0" in telemetry.exposition()[0].decode()
    keys.close()
    with Database.open(tmp_path) as database:
        used = report(database, ("key", "model"), tenant=None)
    assert [(one.group, one.requests, one.tokens_in) for one in used] == [(("dify", ""), 1, 0), (("dify", "m"), 2, 10)]
