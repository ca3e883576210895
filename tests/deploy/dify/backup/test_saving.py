"""Backups as they are made: whole or not there, and services go on whatever happens."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyrage import x25519

from freehold.deploy.dify.backup.databases import set_mark
from freehold.deploy.dify.backup.saving import Terms, back_up
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.conftest import MakeWorld
from tests.deploy.dify.backup.world import KEY, PLUGIN, World, source

HOLD, RELEASE = signal.SIGSTOP, signal.SIGCONT


def test_the_standard_tools_open_it(world: World, tmp_path: Path) -> None:
    """`age` and `tar` unpack a backup, and `pg_restore` lists its dump: Freehold is not needed for that."""
    saved = world.save(tmp_path / "one.age")
    assert world.held == ["freeze", "thaw"]
    assert saved.notes == ()
    assert saved.path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "out").mkdir()
    opened = subprocess.run(["age", "-d", "-i", tmp_path / "key", saved.path], check=True, capture_output=True)
    subprocess.run(["tar", "-C", tmp_path / "out", "-x"], input=opened.stdout, check=True)
    assert (tmp_path / "out/folders/app-storage/upload_files/一.txt").read_text() == "你好"
    assert (tmp_path / f"out/folders/plugin-daemon/plugin/{PLUGIN}").read_bytes() == b"PK package"
    assert (tmp_path / "out/environment/envs/one.env").read_bytes() == b"A=1\n"
    listed = world.postgres.run("pg_restore", "--list", str(tmp_path / "out/databases/dify.dump.00000"))
    assert "TABLE DATA public accounts" in listed


def test_the_manifest_says_what_there_is(world: World, tmp_path: Path) -> None:
    """Rows, files, versions and extensions are those of the installation; another key opens nothing."""
    saved = world.save(tmp_path / "one.age")
    manifest = source(saved.path).read().checked()
    assert manifest == saved.manifest
    assert manifest.databases["dify"].rows == {"accounts": 50, "apps": 2, "datasets": 1, "tenants": 1}
    assert manifest.databases["dify"].server == world.postgres.sql("postgres", "SHOW server_version").split()[0]
    assert manifest.databases["dify"].extensions.keys() == {"uuid-ossp"}
    assert manifest.folders["app-storage"].files == 3
    assert (manifest.dify, manifest.live, manifest.place) == ("1.15.0", False, "a test")
    with pytest.raises(FreeholdError) as refused:
        source(saved.path).__class__(saved.path, [x25519.Identity.generate()]).read()
    assert refused.value.code == "dify_backup_key_wrong"


def nothing_is_left(world: World, folder: Path) -> bool:
    """No file in the folder, and the services go on."""
    return list(folder.iterdir()) == [] and world.held[-1] == "thaw"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where backups go."""
    made = tmp_path / "backups"
    made.mkdir()
    return made


def at(moment: str, do: Callable[[], None]) -> Callable[[str], None]:
    """Does something when it is said that a stage begins."""

    def say(text: str) -> None:
        if text.startswith(moment):
            do()

    return say


def test_a_database_that_goes_down_leaves_no_backup(world: World, folder: Path) -> None:
    """PostgreSQL crashes between the two databases: an error with its words, no file, and services go on."""
    crash = at("reading database dify_plugin", lambda: world.postgres.stop(signal.SIGQUIT))
    try:
        with pytest.raises(FreeholdError) as failed:
            back_up(world.place, folder / "one.age", Terms([KEY.to_public()]), crash)
    finally:
        world.postgres.start()
    assert failed.value.code == "dify_backup_program_failed"
    assert "refused" in str(failed.value)
    assert nothing_is_left(world, folder)


def test_a_full_disk_leaves_no_backup(world: World, folder: Path) -> None:
    """The file may not grow further: said so, nothing is left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(FreeholdError) as failed:
            world.save(folder / "one.age")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.code == "dify_backup_unwritable"
    assert "File too large" in str(failed.value)
    assert nothing_is_left(world, folder)


def test_services_that_could_not_be_let_go_are_told(world: World, folder: Path) -> None:
    """Docker is gone by then: nothing else is as urgent."""

    def hold(held: bool) -> None:
        if not held:
            raise FreeholdError("compose_docker_missing")

    with pytest.raises(FreeholdError) as stuck:
        back_up(replace(world.place, hold=hold), folder / "one.age", Terms([KEY.to_public()]), lambda _text: None)
    assert stuck.value.code == "dify_backup_held"
    assert not list(folder.iterdir())


def test_what_is_half_restored_is_not_saved(make_world: MakeWorld, folder: Path) -> None:
    """It would look like a backup of a whole Dify."""
    world = make_world()
    set_mark(world.place, world.found().databases[1], "freehold-restore 0123")
    with pytest.raises(FreeholdError) as refused:
        world.save(folder / "one.age")
    assert (refused.value.code, refused.value.details["id"]) == ("dify_backup_half_restored", "0123")
    assert world.held == []


def test_ctrl_c_leaves_no_backup(world: World, folder: Path) -> None:
    """Interrupted while files are read: nothing is left."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(world.place, folder / "one.age", Terms([KEY.to_public()]), at("reading folder", interrupt))
    assert nothing_is_left(world, folder)


def test_what_a_killed_run_left_is_named(world: World, folder: Path) -> None:
    """A process that is killed leaves a file that is not whole and has another name; the next backup says so."""
    child = os.fork()
    if child == 0:
        kill = at("reading folder", lambda: os.kill(os.getpid(), signal.SIGKILL))
        back_up(world.place, folder / "one.age", Terms([KEY.to_public()]), kill)
        os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    (left,) = folder.iterdir()
    with pytest.raises(FreeholdError) as refused:
        source(left).read()
    assert refused.value.code in ("dify_backup_damaged", "dify_backup_incomplete")
    saved = world.save(folder / "one.age")
    assert [note.code for note in saved.notes] == ["dify_backup_leftover"]
    assert str(left) in str(saved.notes[0])


def test_another_backup_is_never_written_over(world: World, folder: Path) -> None:
    """A file of that name stays as it is, and no service is held."""
    (folder / "one.age").write_text("precious")
    with pytest.raises(FreeholdError) as refused:
        world.save(folder / "one.age")
    assert refused.value.code == "dify_backup_there"
    assert (folder / "one.age").read_text() == "precious"
    assert world.held == []


@pytest.mark.parametrize("part", ["vectors", "files"])
def test_what_lies_elsewhere_is_refused_unless_left_out(make_world: MakeWorld, folder: Path, part: str) -> None:
    """Vectors of Weaviate, files of an object store: refused with the vendor's way; left out only when that is said."""
    world = make_world(outside={part: "weaviate"})
    with pytest.raises(FreeholdError) as refused:
        world.save(folder / "one.age")
    assert refused.value.code == f"dify_backup_outside_{part}"
    assert world.held == []
    saved = world.save(folder / "one.age", without=frozenset({part}))
    assert [note.code for note in saved.notes] == ["dify_backup_without"]
    assert saved.manifest.outside == {part: "weaviate"}


def test_a_live_one_holds_nobody(world: World, folder: Path) -> None:
    """`--live` is what the word says, and the backup says it too."""
    saved = world.save(folder / "one.age", live=True)
    assert world.held == []
    assert saved.manifest.live
    assert [note.code for note in saved.notes] == ["dify_backup_live"]


def test_a_writer_that_is_held_writes_nothing_in_between(world: World, folder: Path) -> None:
    """A process that writes a row and then a file is stopped meanwhile: the backup has as many of both."""
    script = (
        f"i=0; while :; do i=$((i+1)); psql -q -X -d {world.name('dify')} -c \"INSERT INTO apps (name) VALUES ('$i')\" "
        f'&& : > "{world.folder}/storage/upload_files/app-$i"; done'
    )
    psql = {**world.postgres.environ, "PATH": f"{world.postgres.programs}:{os.environ['PATH']}"}
    with subprocess.Popen(["sh", "-c", script], env=psql, start_new_session=True) as writer:
        try:
            while not list((world.folder / "storage/upload_files").glob("app-*")):
                time.sleep(0.01)
            held = replace(world.place, hold=lambda held: os.killpg(writer.pid, HOLD if held else RELEASE))
            saved = back_up(held, folder / "one.age", Terms([KEY.to_public()]), lambda _text: None)
        finally:
            os.killpg(writer.pid, signal.SIGKILL)
    apps = saved.manifest.databases["dify"].rows["apps"] - 2
    files = saved.manifest.folders["app-storage"].files - 3
    assert apps - 1 <= files <= apps  # held between the row and its file, as after a power failure
