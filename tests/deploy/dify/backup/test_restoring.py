"""Backups put back: whole, into what is empty, and nowhere else."""

from pathlib import Path

import pytest

from freehold.deploy.dify.backup.restoring import drill, restore
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.conftest import MakeWorld
from tests.deploy.dify.backup.world import NEIGHBOURS, PRIVATE, TENANT, World, source
from tests.postgres import Server


def quiet(_text: str) -> None:
    """Said to nobody."""


def test_a_backup_comes_back_in_an_empty_dify(
    make_world: MakeWorld, pgvector: Server, tmp_path: Path
) -> None:
    """Rows, files, links, keys and the nearest neighbours of a vector are those that were saved."""
    old, new = make_world(vectors=pgvector).fill(), make_world(vectors=pgvector)
    before = pgvector.sql(old.name("vectors"), NEIGHBOURS)
    saved = old.save(tmp_path / "one.age")
    assert saved.manifest.databases["vectors"].extensions.keys() == {"vector"}
    restored = restore(new.place, source(saved.path), quiet)
    assert restored.notes == ()
    assert new.sql("dify", "SELECT count(*) FROM accounts") == "50\n"
    assert pgvector.sql(new.name("vectors"), NEIGHBOURS) == before
    assert (new.folder / f"storage/privkeys/{TENANT}/private.pem").read_bytes() == PRIVATE
    venv = new.folder / "plugins/cwd/venv"
    assert (venv / "lib/one.py").samefile(venv / "lib/two.py")
    assert (venv / "python").readlink() == Path("/usr/bin/python3")
    assert (new.folder / "plugins/assets").is_dir()
    assert new.held == ["stop", "start"]
    assert new.databases() == [new.name("dify"), new.name("dify_plugin")]
