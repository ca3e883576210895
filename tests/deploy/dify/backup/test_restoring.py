"""Backups put back: whole, into what is empty, and nowhere else."""

from pathlib import Path

import pytest

from freehold.deploy.dify.backup.restoring import drill, restore, settings_into
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.conftest import MakeWorld
from tests.deploy.dify.backup.world import NEIGHBOURS, PRIVATE, TENANT, World, source
from tests.postgres import Server


def quiet(_text: str) -> None:
    """Said to nobody."""


def test_a_backup_comes_back_in_an_empty_dify(make_world: MakeWorld, pgvector: Server, tmp_path: Path) -> None:
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


def test_a_dify_with_data_is_never_overwritten(world: World, make_world: MakeWorld, tmp_path: Path) -> None:
    """A row, or a file, is somebody's: refused before anything is stopped, and all is as it was."""
    saved = world.save(tmp_path / "one.age")
    rows, files = make_world(), make_world()
    rows.sql("dify", "INSERT INTO accounts (email) VALUES ('a@b')")
    (files.folder / "storage/upload_files").mkdir()
    (files.folder / "storage/upload_files/mine").write_text("mine")
    for other, what in ((rows, "1 rows in accounts"), (files, "upload_files/mine")):
        with pytest.raises(FreeholdError) as refused:
            restore(other.place, source(saved.path), quiet)
        assert refused.value.code == "dify_backup_target_not_empty"
        assert what in str(refused.value)
        assert other.held == []
        assert other.databases() == [other.name("dify"), other.name("dify_plugin")]
    assert rows.sql("dify", "SELECT email FROM accounts") == "a@b\n"
    assert (files.folder / "storage/upload_files/mine").read_text() == "mine"


def test_what_was_cut_off_can_be_begun_again(world: World, make_world: MakeWorld, tmp_path: Path) -> None:
    """Broken between two databases: services stay stopped, another backup is refused, the same goes through. A file
    that changes while it is restored is no backup, and nothing has changed by then."""
    first, second = world.save(tmp_path / "one.age"), world.save(tmp_path / "two.age")
    moving, new = tmp_path / "moving.age", make_world()
    moving.write_bytes(first.path.read_bytes())

    def swap(text: str) -> None:
        if text.startswith("bringing"):
            moving.write_bytes(second.path.read_bytes())

    def fail(text: str) -> None:
        if text.startswith("putting database dify_plugin"):
            raise FreeholdError("dify_backup_files_differ", folder="f", service="api")

    with pytest.raises(FreeholdError, match="is another one by now"):
        restore(new.place, source(moving), swap)
    assert new.held == ["stop", "start"]
    with pytest.raises(FreeholdError) as stopped:
        restore(new.place, source(first.path), fail)
    assert stopped.value.code == "dify_backup_restore_failed"
    assert new.held == ["stop", "start", "stop"]
    with pytest.raises(FreeholdError) as refused:
        restore(new.place, source(second.path), quiet)
    assert refused.value.code == "dify_backup_half_restored"
    assert first.manifest.id in str(refused.value)
    restore(new.place, source(first.path), quiet)
    assert new.held[3:] == ["stop", "start"]
    assert new.sql("dify_plugin", "SELECT count(*) FROM plugins") == "1\n"
    assert new.databases() == [new.name("dify"), new.name("dify_plugin")]
    with pytest.raises(FreeholdError) as full:
        restore(new.place, source(first.path), quiet)
    assert full.value.code == "dify_backup_target_not_empty"


def test_what_fails_before_anything_changed_starts_the_services_again(
    world: World, make_world: MakeWorld, tmp_path: Path
) -> None:
    """A database of the name that is needed beside is somebody's: refused, it stays, and services run."""
    saved, new = world.save(tmp_path / "one.age"), make_world()
    new.postgres.sql("postgres", f"CREATE DATABASE {new.name('dify_plugin')}_freehold_new")
    with pytest.raises(FreeholdError) as refused:
        restore(new.place, source(saved.path), quiet)
    assert refused.value.code == "dify_backup_database_foreign"
    assert new.held == ["stop", "start"]
    foreign = f"{new.name('dify_plugin')}_freehold_new"
    assert new.databases() == sorted([new.name("dify"), new.name("dify_plugin"), foreign])
    new.postgres.sql("postgres", f"DROP DATABASE {foreign}")


def test_a_drill_changes_nothing(world: World, tmp_path: Path) -> None:
    """Beside the very data that was saved, a backup comes to life, proves whole, and is gone again."""
    saved = world.save(tmp_path / "one.age")
    tried = drill(world.place, source(saved.path), quiet)
    assert (tried.notes, tried.faults) == ((), ())
    assert world.held == ["freeze", "thaw"]
    assert world.databases() == [world.name("dify"), world.name("dify_plugin")]


def test_a_drill_finds_what_would_be_missing(world: World, tmp_path: Path) -> None:
    """A lost private key, a plugin without its package and no secret key at all are found, each with its name."""
    world.bound = {}
    (world.folder / f"storage/privkeys/{TENANT}/private.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\nno")
    (world.folder / "plugins/plugin").rename(world.folder / "plugins/elsewhere")
    tried = drill(world.place, source(world.save(tmp_path / "one.age").path), quiet)
    codes = [fault.code for fault in tried.faults]
    assert codes == ["dify_backup_no_secret_key", "dify_backup_private_keys", "dify_backup_plugins"]
    assert TENANT in str(tried.faults[1])


def test_settings_come_out_for_a_new_machine(world: World, tmp_path: Path) -> None:
    """Its files of secrets are written for their owner alone, and over nothing."""
    saved = world.save(tmp_path / "one.age")
    paths = settings_into(source(saved.path), tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in paths] == ["dify-secrets.json", "envs/one.env"]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    with pytest.raises(FreeholdError) as refused:
        settings_into(source(saved.path), tmp_path / "out")
    assert refused.value.code == "dify_backup_file_there"
