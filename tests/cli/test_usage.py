"""`freehold usage`."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.access.database import Database
from freehold.access.key import Key
from freehold.access.usage import Usage
from freehold.telemetry import Telemetry

Freehold = Callable[..., Any]


@pytest.fixture(autouse=True)
def used(folder: Path) -> None:
    """Requests of two keys of two tenants; one has a name that a spreadsheet would compute."""
    database = Database.open(folder / "home")
    usage = Usage(database, Telemetry(process=False), lambda: 1_795_435_200.0)  # 2026-11-23T12:00Z
    usage.count(Key("dify", "client", 0.0, b"1", team="search"), "bge-m3", 10, 0, 200)
    usage.count(Key("=1+1", "client", 0.0, b"2", tenant="acme"), "bge-m3", 5, 7, 500)
    usage.flush()
    database.close()


def test_a_row_a_key(freehold: Freehold) -> None:
    """For people and for programs."""
    lines = freehold("usage").out.splitlines()
    assert lines[0].split() == ["KEY", "REQUESTS", "ERRORS", "TOKENS", "IN", "TOKENS", "OUT"]
    assert lines[2].split() == ["dify", "1", "0", "10", "0"]
    assert freehold("usage", "--by", "model,team", "--json").data["usage"] == [
        {"model": "bge-m3", "team": "", "requests": 1, "errors": 1, "tokens_in": 5, "tokens_out": 7},
        {"model": "bge-m3", "team": "search", "requests": 1, "errors": 0, "tokens_in": 10, "tokens_out": 0},
    ]


def test_one_tenant_and_some_days(freehold: Freehold) -> None:
    """Days are UTC's, and both ends count."""
    rows = freehold("usage", "--by", "day", "--tenant", "acme", "--since", "2026-11-23", "--until", "2026-11-23")
    assert rows.out.splitlines()[1].split() == ["2026-11-23", "1", "1", "5", "7"]
    assert freehold("usage", "--since", "2026-11-24").out == "Nothing was used in these days.\n"


def test_csv_is_for_spreadsheets(freehold: Freehold) -> None:
    """A name that begins like a formula stays a text."""
    rows = list(csv.DictReader(freehold("usage", "--csv", "--by", "key").out.splitlines()))
    assert [row["key"] for row in rows] == ["'=1+1", "dify"]
    assert rows[1]["tokens_in"] == "10"


@pytest.mark.parametrize("by", ["", "keys", "key,key", "key;model"])
def test_what_it_cannot_be_grouped_by(freehold: Freehold, by: str) -> None:
    """Wrong usage, with what there is."""
    ran = freehold("usage", "--by", by, "--json")
    assert (ran.code, ran.error["code"]) == (2, "audit_option_invalid")
