"""`freehold dify backup` before it touches anything; on real data it is in tests/deploy/dify/backup."""

from pathlib import Path

import pytest
from pyrage import x25519

from tests.cli.test_deploy import Run
from tests.cli.test_dify_installations import engine_of

PUBLIC = str(x25519.Identity.generate().to_public())


def test_a_key_is_made_and_only_its_public_half_shown(freehold: Run, folder: Path) -> None:
    """The private one is in the file."""
    ran = freehold("dify", "backup", "--new-key", "key", "--json")
    assert ran.code == 0, ran.err
    assert ran.data["public_key"].startswith("age1")
    private = (folder / "key").read_text().splitlines()[-1]
    assert private.startswith("AGE-SECRET-KEY-1")
    assert private not in ran.out


def test_a_passphrase_is_no_word_of_a_command_line(freehold: Run) -> None:
    """Only where it is may be said."""
    ran = freehold("dify", "backup", "--new-key", "key", "--passphrase", "hush")
    assert (ran.code, "dify_backup_passphrase_plain" in ran.err) == (1, True)
    assert "hush" not in ran.err


def test_a_plan_shows_what_would_be_saved(freehold: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what would not, of an official installation as its containers tell."""
    engine_of(folder, monkeypatch)
    ran = freehold("dify", "backup", "--compose-dir", "docker", "--plan", "--json")
    assert ran.code == 0, ran.err
    assert ran.data == {
        "dify": "1.15.0",
        "pieces": {
            "dify": "dify at db_postgres",
            "dify_plugin": "dify_plugin at db_postgres",
            "app-storage": "/app/api/storage of api",
            "plugin-daemon": "/app/storage of plugin_daemon",
        },
        "settings": [".env", "envs/a/one.env"],
        "outside": {"vectors": "weaviate"},
    }
    assert "not in it: vectors in weaviate" in freehold("dify", "backup", "--compose-dir", "docker", "--plan").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "dify_backup_file_wanted"),
        (("one.age",), "dify_backup_key_wanted"),
        (("one.age", "--recipient", "age1x"), "dify_backup_key_invalid"),
        (("one.age", "--recipient", PUBLIC), "dify_backup_outside_vectors"),
        (("none/one.age", "--recipient", PUBLIC), "dify_backup_unwritable"),
    ],
)
def test_what_is_missing_is_told(
    freehold: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: str
) -> None:
    """A file, a key, what is done with vectors elsewhere, a folder; nothing is written."""
    engine_of(folder, monkeypatch)
    ran = freehold("dify", "backup", "--compose-dir", "docker", *words)
    assert code in ran.err
    assert not list(folder.glob("**/*.age"))
