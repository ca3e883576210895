"""`freehold dify restore` of a file; into real databases it is in tests/deploy/dify/backup."""

from pathlib import Path

import pytest
from pyrage import x25519

from freehold.deploy.dify.backup.sealed import sealing
from tests.cli.test_deploy import Run
from tests.deploy.dify.backup.test_archive import made

KEY = x25519.Identity.generate()


@pytest.fixture
def backup(folder: Path) -> Path:
    """A backup, and the key that opens it."""
    (folder / "key").write_text(f"{KEY}\n")
    path = folder / "one.age"
    with path.open("wb") as file, sealing(file, [KEY.to_public()], path) as stream:
        stream.write(made().getvalue())
    return path


def test_a_plan_reads_it_to_its_end(freehold: Run, backup: Path) -> None:
    """And shows what is in it, as data and as lines; a file that was changed is refused."""
    ran = freehold("dify", "restore", str(backup), "--key", "key", "--plan", "--json")
    assert ran.code == 0, ran.err
    assert list(ran.data["manifest"]["folders"]) == ["app-storage"]
    text = freehold("dify", "restore", str(backup), "--key", "key", "--plan").out
    assert "folder app-storage: 1 files" in text
    backup.write_bytes(backup.read_bytes()[:-1])
    assert "dify_backup_damaged" in freehold("dify", "restore", str(backup), "--key", "key", "--plan").err


def test_its_settings_come_out(freehold: Run, backup: Path, folder: Path) -> None:
    """Into a folder, printed only as names."""
    ran = freehold("dify", "restore", str(backup), "--key", "key", "--settings-to", "out")
    assert (ran.code, ran.out) == (0, "out/.env\n")
    assert (folder / "out/.env").read_bytes() == b"A=1"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "dify_backup_key_file_wanted"),
        (("--key", "none"), "dify_backup_key_unreadable"),
        (("--key", "key"), "dify_backup_not_deployed"),
    ],
)
def test_what_is_missing_is_told(freehold: Run, backup: Path, words: tuple[str, ...], code: str) -> None:
    """The key, its file, a Dify."""
    assert code in freehold("dify", "restore", str(backup), *words).err
