"""What is said of backups and upgrades."""

import pytest

from freehold.cli.dify_text import note, of_upgrade
from freehold.cli.output import Output
from freehold.deploy.dify.upgrading.plan import Change, Plan
from freehold.errors import FreeholdError


def test_an_upgrade_in_its_order() -> None:
    """What comes, goes and changes, the steps, and what cannot be undone."""
    changed = Change("api.A", "", "2")
    text = of_upgrade(
        Plan("1.15.0", "1.16.0", (), (changed,), ("pepper",), (Change("x", None, "y:1"),), (("flask", "z"),))
    )
    assert text.splitlines()[:6] == [
        "Dify 1.15.0 -> 1.16.0",
        "services:",
        "  x: none -> y:1",
        "variables:",
        '  api.A: "" -> 2',
        "secrets that are made: pepper",
    ]
    assert "migration, `flask z`, start" in text
    assert "cannot be undone" in text


def test_notes_go_to_standard_error_in_the_readers_language(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json they are in the result alone."""
    note(Output(language="zh"), [FreeholdError("dify_backup_live")])
    note(Output(as_json=True), [FreeholdError("dify_backup_live")])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("提示: 制作此备份时")
    assert printed.err.count("dify_backup_live") == 1
