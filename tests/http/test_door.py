"""Who needs a key: loopback, beyond it, and opened knowingly."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.access import Database, Keys, Register
from freehold.access.trail import OURSELVES, Query, Trail
from freehold.errors import FreeholdError
from freehold.http.door import Door, choose_door, is_loopback


class Doors:
    """Chooses doors and closes their databases."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._made: list[Door] = []

    def choose(
        self,
        host: str = "0.0.0.0",
        auth: str = "keys",
        home: Path | None = None,
        key: str | None = None,
        **environ: str,
    ) -> Door:
        door = choose_door(host, auth, home or self.home, environ, key)
        self._made.append(door)
        return door

    def close(self) -> None:
        for door in self._made:
            if door.keys is not None:
                door.keys.close()


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    """Doors of a home that does not exist yet."""
    made = Doors(tmp_path / "home")
    yield made
    made.close()


def test_loopback_is_open_until_the_first_key_is_made(doors: Doors) -> None:
    """A newcomer's first call needs no key, and none is made for him; who makes one wants it asked for."""
    door = doors.choose("127.0.0.1")
    assert (door.is_open, door.until_keys, door.initial_key, door.warnings) == (True, True, None, ())
    assert door.keys is not None
    with Database.open(doors.home) as database:
        Register(database).create("first", "client")
    door.keys.refresh()
    assert not door.is_open


def test_loopback_with_keys_asks_for_them(doors: Doors) -> None:
    """Whoever made keys wants them asked for, and no backup that is put back opens that door again."""
    doors.choose()
    door = doors.choose("127.0.0.1")
    assert (door.is_open, door.until_keys) == (False, False)


def test_what_ails_the_keys_is_told_without_their_place(doors: Doors) -> None:
    """`/readyz` is public: an address, a path and a driver's words are for the log."""
    door = doors.choose()
    assert door.keys is not None
    assert door.troubles() == []
    door.keys._tell(OSError("connection to 10.0.0.4 failed"))
    (trouble,) = door.troubles()
    assert trouble.code == "keys_unfollowed"
    assert "10.0.0.4" not in trouble.cause + trouble.fix


def test_beyond_loopback_the_first_start_makes_one_key(doors: Doors) -> None:
    """In a file that only its owner reads; the key in it opens the door."""
    door = doors.choose()
    assert door.keys is not None
    assert door.initial_key == doors.home / "initial-key"
    assert stat.S_IMODE(door.initial_key.stat().st_mode) == 0o600
    key = door.keys.check(door.initial_key.read_text().strip())
    assert (key.name, key.role) == ("initial", "client")
    with Database.open(doors.home) as database:
        ((line,),) = Trail(database, "here").pages(Query(None))
    assert (line.what, line.who) == ("keys.create", OURSELVES)
    assert line.document()["details"] == {"key": "initial", "role": "client"}


def test_the_second_start_makes_no_other_key(doors: Doors) -> None:
    """The first one stays valid."""
    first = doors.choose()
    assert first.initial_key is not None
    second = doors.choose()
    assert second.initial_key is None
    assert second.keys is not None
    assert second.keys.check(first.initial_key.read_text().strip()).name == "initial"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_door_that_is_opened_says_so_loudly(doors: Doors, host: str) -> None:
    """By configuration or by environment; the warning names which."""
    by_file, by_variable = doors.choose(host, "none"), doors.choose(host, FREEHOLD_AUTH="none")
    assert by_file.is_open
    assert by_variable.is_open
    assert "access.auth" in by_file.warnings[0]
    assert "FREEHOLD_AUTH" in by_variable.warnings[0]


def test_the_environment_overrides_the_file_either_way(doors: Doors) -> None:
    """It also closes a door that the file opens."""
    assert not doors.choose("0.0.0.0", "none", FREEHOLD_AUTH="keys").is_open
    assert doors.choose("0.0.0.0", "none", FREEHOLD_AUTH="").is_open


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_key_of_the_configuration_counts_and_no_other_is_made(doors: Doors, host: str) -> None:
    """Also on loopback: who names a key wants it asked for."""
    door = doors.choose(host, key="between us")
    assert door.keys is not None
    assert door.initial_key is None
    found = door.keys.check("between us")
    assert (found.name, found.role) == ("internal", "operator")
    for wrong in ("between", "between us ", ""):
        with pytest.raises(FreeholdError):
            door.keys.check(wrong)
    assert b"between us" not in b"".join(path.read_bytes() for path in doors.home.iterdir())


def test_keys_that_were_created_count_beside_the_configuration_s(doors: Doors) -> None:
    """One goes with the file, the others stay as they are."""
    first = doors.choose()
    assert first.initial_key is not None
    door = doors.choose(key="between us")
    assert door.keys is not None
    assert door.keys.check(first.initial_key.read_text().strip()).name == "initial"
    created = door.keys.create("dify", "client")
    assert {door.keys.check(key).name for key in (created, "between us")} == {"dify", "internal"}


def test_a_key_of_the_configuration_needs_no_home(doors: Doors, tmp_path: Path) -> None:
    """It alone counts then, which is said."""
    (tmp_path / "file").touch()
    door = doors.choose(home=tmp_path / "file" / "home", key="between us")
    assert door.keys is not None
    assert door.keys.check("between us").name == "internal"
    assert "only the configuration's own" in door.warnings[0]
    assert "between us" not in door.warnings[0]


def test_an_open_door_asks_for_no_key_of_the_configuration(doors: Doors) -> None:
    """`auth: none` goes before all."""
    assert doors.choose(key="between us", FREEHOLD_AUTH="none").is_open


def test_an_unknown_way_is_an_error_that_names_its_source(doors: Doors) -> None:
    """A typo must not open or close a door."""
    with pytest.raises(FreeholdError) as caught:
        doors.choose(FREEHOLD_AUTH="off")
    assert caught.value.code == "auth_unknown"
    assert "FREEHOLD_AUTH" in caught.value.cause


def test_a_home_that_cannot_be_used_gives_a_key_for_this_run(doors: Doors, tmp_path: Path) -> None:
    """It warns and goes on; the key's file lies in a folder that only its owner enters."""
    (tmp_path / "file").touch()
    door = doors.choose(home=tmp_path / "file" / "home")
    assert door.keys is not None
    assert door.initial_key is not None
    assert stat.S_IMODE(door.initial_key.parent.stat().st_mode) == 0o700
    assert door.keys.check(door.initial_key.read_text().strip()).name == "initial"
    assert "FREEHOLD_HOME" in door.warnings[0]
    assert door.initial_key.read_text().strip() not in door.warnings[0]


def test_a_home_that_cannot_be_used_leaves_loopback_open(doors: Doors, tmp_path: Path) -> None:
    """There can be no keys in a folder below a file."""
    (tmp_path / "file").touch()
    assert doors.choose("127.0.0.1", home=tmp_path / "file" / "home").is_open


def test_without_any_place_for_a_key_the_start_ends(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither home nor temporary folder: the error names both ways out."""
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(FreeholdError) as caught:
        doors.choose(home=tmp_path / "file" / "home")
    assert caught.value.code == "keys_homeless"
    assert "FREEHOLD_AUTH=none" in caught.value.fix


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_damaged_database_ends_the_start(doors: Doors, host: str) -> None:
    """Silently making a new one would end all keys; on loopback it would open the door."""
    doors.home.mkdir()
    (doors.home / "access.db").write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(FreeholdError) as caught:
        doors.choose(host)
    assert caught.value.code == "keys_unreadable"


def test_a_database_whose_only_key_was_revoked_keeps_the_door_closed(doors: Doors) -> None:
    """Revoking the last key is not an invitation."""
    keys = Keys.open(doors.home)
    keys.create("only", "client")
    keys.register.revoke("only")
    keys.close()
    assert not doors.choose("127.0.0.1").is_open
    assert doors.choose().initial_key is None


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, only_here: bool) -> None:
    """In doubt an address counts as reachable."""
    assert is_loopback(host) is only_here
