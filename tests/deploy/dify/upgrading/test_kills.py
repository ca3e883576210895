"""Upgrades, and their ways back, that are killed at any point."""

import random
from pathlib import Path

import pytest

from freehold.deploy.dify.upgrading.running import Safety, take_back, upgrade
from tests.deploy.dify.backup.test_kills import killed, lasts
from tests.deploy.dify.backup.world import KEY, World
from tests.deploy.dify.upgrading.test_running import PLAN, Stage, quiet

KILLS = 30
UNDONE = "ALTER TABLE apps DROP COLUMN icon; UPDATE alembic_version SET version_num = '1150';"


@pytest.mark.soak
def test_an_upgrade_that_is_killed_is_whole_or_taken_back(world: World, tmp_path: Path) -> None:
    """The way back is killed twice, too: in the end all is as before, or as after."""
    rng, seen = random.Random(1), set[str]()

    def safe(number: int) -> Safety:
        safety = Safety(tmp_path / f"{number}.age", [KEY], tmp_path / f"{number}/upgrade.json")
        safety.journal.parent.mkdir()
        return safety

    limit = lasts(lambda: upgrade(Stage(world), PLAN, safe(KILLS), quiet))
    world.sql("dify", UNDONE)
    world.version = PLAN.before
    for number in range(KILLS):
        safety = safe(number)
        killed(lambda safety=safety: upgrade(Stage(world), PLAN, safety, quiet), rng.uniform(0, 1.2 * limit))
        for _ in range(2):
            if safety.journal.exists():
                killed(lambda safety=safety: take_back(Stage(world), safety, quiet), rng.uniform(0, limit))
        if safety.journal.exists():
            take_back(Stage(world), safety, quiet)
        version = world.sql("dify", "SELECT version_num FROM alembic_version").strip()
        seen.add(version)
        if version == "1160":
            world.sql("dify", UNDONE)
        assert world.sql("dify", "SELECT count(*) FROM accounts") == "50\n"
        assert world.sql("dify", "SELECT count(*), max(name) FROM apps") == "2|two\n"
        assert world.databases() == [world.name("dify"), world.name("dify_plugin")]
    assert seen == {"1150", "1160"}
