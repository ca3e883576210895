"""`freehold dify upgrade` before it touches anything; the whole is in tests/deploy/dify/upgrading."""

import pytest

from tests.cli.test_deploy import Run
from tests.cli.test_dify_stage import NEXT, Deploys, deploys

__all__ = ["deploys"]


def test_a_plan_compares_two_releases(freehold: Run, deploys: Deploys) -> None:
    """Variables and images of an invented next version, its step, and nothing secret."""
    deploys()
    ran = freehold("dify", "upgrade", "--to", NEXT, "--plan", "--json")
    assert ran.code == 0, ran.err
    assert (ran.data["before"], ran.data["after"]) == ("1.15.0", NEXT)
    changes = {one["what"]: (one["before"], one["after"]) for one in ran.data["environment"]}
    assert changes["api.NEW_SWITCH"] == (None, "1")
    assert changes["worker.LOG_LEVEL"] == ("INFO", "WARNING")
    assert "api" in {one["what"] for one in ran.data["images"]}
    assert ran.data["steps"] == [["flask", "backfill-plugin-auto-upgrade"]]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "dify_upgrade_to_wanted"),
        (("--to", "9.9.9"), "dify_version_unknown"),
        (("--to", "1.15.0"), "dify_upgrade_same"),
        (("--to", NEXT), "dify_upgrade_backup_wanted"),
        (("--take-back",), "dify_upgrade_backup_wanted"),
    ],
)
def test_what_is_missing_is_told(freehold: Run, deploys: Deploys, words: tuple[str, ...], code: str) -> None:
    """A version that is known and newer, a backup and its key."""
    deploys()
    assert code in freehold("dify", "upgrade", *words).err
