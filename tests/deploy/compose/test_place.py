"""What lies on the machine before Docker starts anything: files, folders of state, secrets."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.config import Config, Deploy
from freehold.deploy.compose import place
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Mount, SecretFile
from freehold.errors import FreeholdError
from tests.deploy.compose.deployments import INTERNAL, deployment, gateway, state, unit

CORP = SecretFile("corp", "${env:CORP_KEY}")


@pytest.fixture
def umask() -> Iterator[None]:
    """That of a careful administrator."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_containers_can_read_files_whatever_the_umask(tmp_path: Path) -> None:
    """The folder that is mounted and the files in it, which another user reads."""
    place.write_files(tmp_path, {"config/a/etc/freehold/freehold.yaml": "x", "compose.yaml": "y"})
    assert mode(tmp_path / "config/a/etc/freehold") == 0o755
    assert mode(tmp_path / "config/a/etc/freehold/freehold.yaml") == 0o644


@pytest.mark.usefixtures("umask")
def test_state_is_open_behind_a_closed_folder(tmp_path: Path) -> None:
    """What is there keeps its mode: the owner may have given it to somebody."""
    units = [unit(name, "1", mounts=(state(name, str(tmp_path / "data")),)) for name in ("a", "b")]
    (tmp_path / "data" / "b").mkdir(parents=True)
    (tmp_path / "data" / "b").chmod(0o750)
    place.make_states(units)
    assert (mode(tmp_path / "data" / "a"), mode(tmp_path / "data" / "b")) == (0o777, 0o750)
    theirs = Deployment.of(Config(deploy=Deploy(data=str(tmp_path / "data"))))
    place.make_states([theirs.gateway])
    assert [mode(tmp_path / "data" / name) for name in ("freehold", "freehold/gateway")] == [0o700, 0o777]


def test_secrets_are_written_in_place_and_made_once(tmp_path: Path) -> None:
    """A container has the file mounted, not its name; the key between services stays."""
    wanted = deployment(unit("minilm", "1"), front=gateway(secrets=(INTERNAL, CORP)))
    place.write_secrets(tmp_path, wanted, place.secret_values(wanted, {"CORP_KEY": "a long first one"}))
    corp, internal = tmp_path / "secrets" / "corp", tmp_path / "secrets" / "internal"
    made, file = internal.read_text(), corp.stat().st_ino
    assert (corp.read_text(), len(made)) == ("a long first one", 64)
    assert (mode(tmp_path / "secrets"), mode(corp)) == (0o700, 0o644)
    place.write_secrets(tmp_path, wanted, place.secret_values(wanted, {"CORP_KEY": "short"}))
    assert (corp.read_text(), corp.stat().st_ino, internal.read_text()) == ("short", file, made)


def test_a_file_of_a_secret_is_taken_as_it_is(tmp_path: Path) -> None:
    """It may be a certificate."""
    pem = tmp_path / "ca.pem"
    pem.write_bytes(b"-----BEGIN\nabc\n-----END\n")
    wanted = deployment(front=gateway(secrets=(SecretFile("ca-pem", f"${{file:{pem}}}"),)))
    assert list(place.secret_values(wanted, {}).values()) == [pem.read_bytes().strip()]


@pytest.mark.parametrize("origin", ["${env:CORP_KEY}", "${file:/nowhere/x}", "${file:EMPTY}"])
def test_a_secret_that_is_not_there_is_named(tmp_path: Path, origin: str) -> None:
    """Before anything is written."""
    (tmp_path / "empty").write_text("\n")
    wanted = deployment(front=gateway(secrets=(SecretFile("x", origin.replace("EMPTY", f"{tmp_path}/empty")),)))
    with pytest.raises(FreeholdError) as missing:
        place.secret_values(wanted, {})
    assert missing.value.code == "secret_missing"


def test_a_secret_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A folder is no file."""
    with pytest.raises(FreeholdError) as refused:
        place.secret_values(deployment(front=gateway(secrets=(SecretFile("x", f"${{file:{tmp_path}}}"),))), {})
    assert refused.value.code == "secret_unreadable"


def test_what_a_service_reads_must_be_there(tmp_path: Path) -> None:
    """What it writes is made."""
    there, absent = Mount(str(tmp_path), "/a"), Mount(f"{tmp_path}/none", "/b")
    place.check_mounts([unit("a", "1", mounts=(there, state("a", "/nowhere")))])
    with pytest.raises(FreeholdError) as missing:
        place.check_mounts([unit("a", "1", mounts=(there, absent))])
    assert missing.value.code == "compose_mount_missing"
    assert missing.value.details["path"] == f"{tmp_path}/none"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """For each kind of file."""
    (tmp_path / "secrets").write_text("a file")
    (tmp_path / "config").write_text("a file")
    wanted = deployment(unit("minilm", "1", mounts=(state("minilm", f"{tmp_path}/config"),)))
    for write in (
        lambda: place.write_secrets(tmp_path, wanted, {}),
        lambda: place.write_files(tmp_path, {"config/a/b": "x"}),
        lambda: place.make_states(wanted.units),
    ):
        with pytest.raises(FreeholdError) as refused:
            write()
        assert refused.value.code == "compose_folder_unwritable"


def test_a_key_that_a_full_disk_kept_from_being_made_is_made_later(tmp_path: Path) -> None:
    """Half of it, or nothing, would be kept for ever."""
    wanted = deployment(unit("minilm", "1"), front=gateway(secrets=(INTERNAL,)))
    aside = tmp_path / "secrets" / f".internal.{os.getpid()}"
    aside.mkdir(parents=True)  # in the way, as a full disk would be
    with pytest.raises(FreeholdError, match="compose_folder_unwritable"):
        place.write_secrets(tmp_path, wanted, {})
    assert not (tmp_path / "secrets" / "internal").exists()
    aside.rmdir()
    place.write_secrets(tmp_path, wanted, {})
    assert len((tmp_path / "secrets" / "internal").read_text()) == 64
