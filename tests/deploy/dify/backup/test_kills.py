"""Backups and restores that are killed at any point: nothing half that looks whole, and a way to the end."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.deploy.dify.backup.restoring import restore
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.conftest import MakeWorld
from tests.deploy.dify.backup.world import World, source

BACKUPS, RESTORES, KILLS = 120, 40, 3  # each backup once, each restore so often


def quiet(_text: str) -> None:
    """Said to nobody."""


def lasts(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def killed(work: Callable[[], object], seconds: float) -> None:
    """Do it in a process that is killed after `seconds`, if it lasts so long."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def files(folder: Path) -> dict[str, bytes]:
    """What is in a folder, links and all that they lead to left alone."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.soak
def test_a_backup_that_is_killed_is_whole_or_has_no_name(world: World, tmp_path: Path) -> None:
    """At whatever moment; what it leaves has another name, and the next one is made."""
    folder, rng = tmp_path / "backups", random.Random(1)
    folder.mkdir()
    limit = lasts(lambda: world.save(folder / "first.age"))
    for number in range(BACKUPS):
        path = folder / f"{number}.age"
        killed(lambda path=path: world.save(path), rng.uniform(0, limit))
        if path.exists():
            source(path).read().checked()
        named = [one for one in folder.iterdir() if one.suffix == ".age"]
        assert set(named) <= {folder / "first.age", *(folder / f"{one}.age" for one in range(number + 1))}
    saved = world.save(folder / "last.age")
    assert {note.code for note in saved.notes} <= {"dify_backup_leftover"}
    assert source(saved.path).read().checked() == saved.manifest


@pytest.mark.soak
def test_a_restore_that_is_killed_is_begun_again(world: World, make_world: MakeWorld, tmp_path: Path) -> None:
    """Three times each at whatever moment: the same file then brings all of it, and no database is left beside."""
    saved, rng = world.save(tmp_path / "one.age"), random.Random(1)
    wanted = {name: files(world.folder / name) for name in ("storage", "plugins")}
    limit = 1.0
    for _ in range(RESTORES):
        new = make_world()
        for _ in range(KILLS):
            killed(lambda new=new: restore(new.place, source(saved.path), quiet), rng.uniform(0, limit))
        try:
            limit = lasts(lambda new=new: restore(new.place, source(saved.path), quiet))
        except FreeholdError as error:
            if error.code != "dify_backup_target_not_empty":  # it had come to its end
                raise
        assert new.sql("dify", "SELECT count(*), max(email) FROM accounts") == "50|user9@example.com\n"
        assert new.sql("dify_plugin", "SELECT count(*) FROM plugins") == "1\n"
        assert {name: files(new.folder / name) for name in wanted} == wanted
        assert new.databases() == [new.name("dify"), new.name("dify_plugin")]
