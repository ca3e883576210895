"""Whether Dify has the key that it should."""

from pathlib import Path

import pytest

from freehold.deploy.dify.connecting.keys import Keys
from freehold.errors import FreeholdError

KEY = "fh_abcdefghijkl"
SHOWN = "fh_abc************kl"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """That gave Dify one key."""
    keys = Keys.read(tmp_path, "http://d", None)
    keys.note("llm a", KEY)
    return keys


def test_a_key_that_was_given_is_known_again(keys: Keys, tmp_path: Path) -> None:
    """By another run, too; of another Dify or workspace nothing is known."""
    assert keys.given("llm a", KEY, SHOWN)
    assert Keys.read(tmp_path, "http://d", None).given("llm a", KEY, SHOWN)
    assert not Keys.read(tmp_path, "http://e", None).given("llm a", KEY, SHOWN)
    assert not Keys.read(tmp_path, "http://d", "w").given("llm a", KEY, SHOWN)


@pytest.mark.parametrize(
    ("model", "key", "shown"),
    [
        ("llm a", "fh_abcXefghijkl", SHOWN),
        ("llm a", KEY, "sk-abc************kl"),
        ("llm a", KEY, "fh_abc************xx"),
        ("llm a", KEY, ""),
        ("llm a", None, SHOWN),
        ("llm b", KEY, SHOWN),
    ],
)
def test_any_other_is_given_again(keys: Keys, model: str, key: str | None, shown: str) -> None:
    """Another key, one that somebody else changed in Dify, none, or one that this machine knows nothing of."""
    assert not keys.given(model, key, shown)


def test_no_key_is_the_same_as_no_key(keys: Keys) -> None:
    """A server that asks for none."""
    assert keys.given("llm c", None, "")
    keys.note("llm a", None)
    assert not keys.given("llm a", KEY, SHOWN)


def test_a_short_key_is_all_stars(keys: Keys) -> None:
    """Dify shows nothing of it."""
    keys.note("llm a", "short")
    assert keys.given("llm a", "short", "********************")


def test_the_file_tells_nothing_and_is_for_its_owner(keys: Keys) -> None:
    """Neither does what is printed of it."""
    text = keys.file.read_text(encoding="utf-8")
    assert KEY not in text
    assert KEY[3:9] not in text
    assert keys.file.stat().st_mode & 0o077 == 0
    assert "salt" not in repr(keys)


def test_a_broken_file_counts_as_none(keys: Keys, tmp_path: Path) -> None:
    """The key is given again, which harms nothing."""
    keys.file.write_text("x", encoding="utf-8")
    assert not Keys.read(tmp_path, "http://d", None).given("llm a", KEY, SHOWN)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Or every run would change something."""
    (tmp_path / "dify").write_text("a file", encoding="utf-8")
    with pytest.raises(FreeholdError) as raised:
        Keys.read(tmp_path, "http://d", None).note("llm a", KEY)
    assert raised.value.code == "dify_state_unwritable"
