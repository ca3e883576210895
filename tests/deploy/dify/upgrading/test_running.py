"""Upgrades of a Dify with real databases and files: done, failed and taken back, killed and taken back."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from freehold.deploy.dify.upgrading.plan import Plan
from freehold.deploy.dify.upgrading.running import Safety, take_back, upgrade
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.direct import Direct
from tests.deploy.dify.backup.world import KEY, TENANT, World

PLAN = Plan("1.15.0", "1.16.0", (), (), (), (), (("flask", "backfill-plugin-auto-upgrade"),))
GOOD = "ALTER TABLE apps ADD COLUMN icon text; UPDATE alembic_version SET version_num = '1160';"
HALF = "ALTER TABLE apps DROP COLUMN name; SELECT 1 / 0;"
LOSSY = "DELETE FROM accounts WHERE id > 40;"


@dataclass
class Stage:
    """The world's Dify: its version is a file, its migration is SQL that PostgreSQL runs."""

    world: World
    migration: str = GOOD
    smoke: Callable[[], None] = lambda: None
    unwell: bool = False
    done: list[str] = field(default_factory=list)

    @property
    def place(self) -> Direct:
        """As Stage."""
        return self.world.place

    def verify(self, version: str) -> None:
        """As Stage."""
        self.done.append(f"verify {version}")

    def put(self, version: str) -> None:
        """As Stage."""
        self.world.version = version
        self.done.append(f"put {version}")

    def migrate(self) -> None:
        """As Stage."""
        try:
            self.world.sql("dify", self.migration)
        except AssertionError as error:
            raise FreeholdError("dify_upgrade_failed", what="the migration", words=error) from None

    def run(self, words: Sequence[str]) -> None:
        """As Stage."""
        self.done.append(" ".join(words))

    def start(self) -> None:
        """As Stage."""
        self.done.append("start")

    def try_out(self) -> None:
        """As Stage: what is wrong is wrong with the new version, unless `unwell`."""
        if self.unwell or self.world.version == PLAN.after:
            self.smoke()


def quiet(_text: str) -> None:
    """Said to nobody."""


@pytest.fixture
def safety(tmp_path: Path) -> Safety:
    """Where the backup and the journal of an upgrade go."""
    return Safety(tmp_path / "before.age", [KEY], tmp_path / "state/upgrade.json")


def test_an_upgrade_migrates_and_keeps_all(world: World, safety: Safety) -> None:
    """Saved first, then migrated, its step run, started; no journal is left."""
    stage = Stage(world)
    saved = upgrade(stage, PLAN, safety, quiet)
    assert saved.manifest.dify == "1.15.0"
    assert stage.done == ["verify 1.16.0", "put 1.16.0", "flask backfill-plugin-auto-upgrade", "start"]
    assert world.sql("dify", "SELECT version_num FROM alembic_version") == "1160\n"
    assert not safety.journal.exists()


@pytest.mark.parametrize(
    ("migration", "smoke", "reason"),
    [
        (HALF, None, "division by zero"),
        (LOSSY, None, "accounts had 50, has 40"),
        (GOOD, "502 from /console/api", "502 from /console/api"),
    ],
)
def test_what_fails_is_taken_back_with_all_data(
    world: World, safety: Safety, migration: str, smoke: str | None, reason: str
) -> None:
    """A migration that breaks in its middle, or loses rows, or a Dify that does not answer: the old one runs again."""

    def refuse() -> None:
        (world.folder / f"storage/privkeys/{TENANT}/private.pem").unlink()
        raise FreeholdError("dify_upgrade_failed", what="asking", words=smoke)

    stage = Stage(world, migration, refuse if smoke else lambda: None)
    with pytest.raises(FreeholdError) as failed:
        upgrade(stage, PLAN, safety, quiet)
    assert failed.value.code == "dify_upgrade_taken_back"
    assert reason in str(failed.value)
    assert stage.done[-2:] == ["put 1.15.0", "start"]
    assert world.held[2:] in (["stop"] * 3, ["stop"] * 2)  # nothing of the other version is started on the way
    assert world.sql("dify", "SELECT version_num FROM alembic_version") == "1150\n"
    assert world.sql("dify", "SELECT count(*), min(name) FROM apps") == "2|one\n"
    assert world.sql("dify", "SELECT count(*) FROM accounts") == "50\n"
    assert (world.folder / f"storage/privkeys/{TENANT}/private.pem").exists()
    assert not safety.journal.exists()
    assert safety.backup.exists()


def test_nothing_changes_without_a_verified_backup(world: World, safety: Safety) -> None:
    """Where the backup cannot be made, no service is stopped and no version is put."""
    safety.backup.write_text("somebody's")
    stage = Stage(world)
    with pytest.raises(FreeholdError) as refused:
        upgrade(stage, PLAN, safety, quiet)
    assert refused.value.code == "dify_backup_there"
    assert (stage.done, world.held) == (["verify 1.16.0"], [])


def test_nothing_begins_with_a_dify_that_is_not_well(world: World, safety: Safety) -> None:
    """What it cannot do before would be taken for a fault of the new version."""

    def refuse() -> None:
        raise FreeholdError("dify_upgrade_failed", what="asking", words="502")

    stage = Stage(world, smoke=refuse, unwell=True)
    with pytest.raises(FreeholdError) as refused:
        upgrade(stage, PLAN, safety, quiet)
    assert refused.value.code == "dify_upgrade_unwell"
    assert (stage.done, world.held, safety.backup.exists()) == ([], [], False)


def test_a_killed_upgrade_is_taken_back_by_its_backup(world: World, safety: Safety) -> None:
    """Killed in the migration: the next one is refused, and the first one's backup brings all of it back."""
    child = os.fork()
    if child == 0:
        upgrade(Stage(world, smoke=lambda: os.kill(os.getpid(), signal.SIGKILL)), PLAN, safety, quiet)
        os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    stage = Stage(world)
    with pytest.raises(FreeholdError) as refused:
        upgrade(stage, PLAN, safety, quiet)
    assert refused.value.code == "dify_upgrade_interrupted"
    assert stage.done == []
    assert take_back(stage, safety, quiet).before == "1.15.0"
    assert world.sql("dify", "SELECT version_num FROM alembic_version") == "1150\n"
    with pytest.raises(FreeholdError) as none:
        take_back(stage, safety, quiet)
    assert none.value.code == "dify_upgrade_none"


def test_a_way_back_that_fails_too_names_the_backup(world: World, safety: Safety) -> None:
    """PostgreSQL goes down in the migration: both reasons are told, the journal and the backup stay."""

    def crash(text: str) -> None:
        if text.startswith("migrating"):
            world.postgres.stop(signal.SIGQUIT)

    stage = Stage(world)
    try:
        with pytest.raises(FreeholdError) as stuck:
            upgrade(stage, PLAN, safety, crash)
    finally:
        world.postgres.start()
    assert stuck.value.code == "dify_upgrade_stuck"
    assert stuck.value.details["backup"] == safety.backup
    assert safety.journal.exists()
    assert take_back(stage, safety, quiet).after == "1.16.0"
    assert world.sql("dify", "SELECT count(*) FROM apps") == "2\n"
