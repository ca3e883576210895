"""The books of a node."""

import platform
from pathlib import Path

import pytest

from freehold.access.act import Act
from freehold.access.trail import Query
from freehold.access.witness import FILE
from freehold.cli.books import open_books
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.errors import FreeholdError
from freehold.telemetry import Telemetry


def test_they_are_kept_beside_the_keys(tmp_path: Path) -> None:
    """Under the name of this machine, with the head in the same folder."""
    books = open_books(Access(), None, tmp_path, Telemetry(process=False))
    books.audit.write(Act("keys.create", "alice"))
    ((line,),) = books.audit.trail.pages(Query(None))
    assert line.document()["node"] == platform.node()
    books.close()
    assert (tmp_path / "access.db").exists()
    assert (tmp_path / FILE).exists()


def test_without_a_place_they_are_kept_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says that they end with the process."""
    (tmp_path / "file").touch()
    books = open_books(Access(), None, tmp_path / "file" / "home", Telemetry(process=False))
    books.audit.write(Act("keys.create", "alice"))
    books.close()
    assert "kept in memory alone" in caplog.text


def test_who_wants_every_line_gets_no_server_without_them(tmp_path: Path) -> None:
    """Neither without a folder nor without the database that is named."""
    (tmp_path / "file").touch()
    access = Access(audit=Auditing(inference=True))
    with pytest.raises(FreeholdError, match="cannot be reached"):
        open_books(access, None, tmp_path / "file" / "home", Telemetry(process=False))
    with pytest.raises(FreeholdError, match="cannot be reached"):
        open_books(access, "postgresql://user@127.0.0.1:1/none", tmp_path, Telemetry(process=False))
