"""What an upgrade leaves on disk while it is under way."""

from pathlib import Path

import pytest

from freehold.deploy.dify.upgrading.journal import Journal, begin, end, read
from freehold.errors import FreeholdError

ONE = Journal("1.15.0", "1.16.0", "/b.age", "id")


def test_one_upgrade_at_a_time(tmp_path: Path) -> None:
    """A second one is refused with the words that take the first one back, until it has ended."""
    path = tmp_path / "state/journal.json"
    assert read(path) is None
    begin(path, ONE)
    assert read(path) == ONE
    with pytest.raises(FreeholdError, match=r"1.15.0 to 1.16.0 was cut off") as refused:
        begin(path, ONE)
    assert "--take-back --backup /b.age" in refused.value.fix
    end(path)
    begin(path, ONE)


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """A file that says nothing, a folder that is a file."""
    (tmp_path / "journal").write_text("{}")
    for path in (tmp_path / "journal", tmp_path / "journal" / "below"):
        with pytest.raises(FreeholdError) as refused:
            begin(path, ONE)
        assert refused.value.code == "dify_upgrade_unwritable"
