"""Laying a patch beside an installation."""

import os
import stat
from pathlib import Path

import pytest

from freehold.deploy.dify.official.override import BUNDLE, MARK, NAME, Patch, patch
from freehold.deploy.dify.official.override import Asked as Wanted
from freehold.deploy.dify.official.patching import lay
from freehold.deploy.dify.official.reading import read
from freehold.errors import FreeholdError

from .installations import install


def made(folder: Path) -> Patch:
    """A patch with a CA and the cure."""
    return patch(read(folder), Wanted(bundle="PEM\n", is_cured=True))


def refused(folder: Path, wanted: Patch) -> FreeholdError:
    """What laying it ends in; nothing was written."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(FreeholdError) as caught:
        lay(read(folder), wanted)
    assert sorted(folder.rglob("*")) == before
    return caught.value


def test_our_own_override_is_replaced_and_difys_files_stay(tmp_path: Path) -> None:
    """A second patch is the second's alone."""
    folder = install(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    written = lay(read(folder), made(folder))
    assert written[-1].name == NAME
    assert (folder / BUNDLE).read_text() == "PEM\n"
    lay(read(folder), patch(read(folder), Wanted(is_cured=True)))
    assert (folder / NAME).read_text().startswith(MARK)
    assert "api" not in (folder / NAME).read_text()
    assert all(path.read_bytes() == raw for path, raw in before.items())


def test_containers_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    """Services run as users of their own."""
    folder = install(tmp_path)
    before = os.umask(0o077)
    try:
        written = lay(read(folder), made(folder))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o644}
    assert stat.S_IMODE((folder / "freehold").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["docker-compose.override.yaml", "docker-compose.override.yml"])
def test_a_users_override_is_kept_and_the_lines_are_told(name: str, tmp_path: Path) -> None:
    """Once it says all of it, the files that it names are written."""
    folder = install(tmp_path)
    wanted = made(folder)
    (folder / name).write_text("services: {api: {environment: [OWN=1]}}\n")
    error = refused(folder, wanted)
    assert error.code == "official_override_exists"
    assert "/etc/freehold/ca-certificates.crt" in error.details["lines"]
    (folder / name).write_text(f"x-own: !reset null\n{error.details['lines']}")
    assert [path.name for path in lay(read(folder), wanted)] == ["ca-certificates.crt", "default.conf.template"]
    assert (folder / name).read_text().startswith("x-own")


def test_compose_that_is_told_other_files_would_not_read_it(tmp_path: Path) -> None:
    """COMPOSE_FILE of .env must name the override."""
    folder = install(tmp_path / "a", COMPOSE_FILE="docker-compose.yaml:own.yaml")
    assert refused(folder, made(folder)).code == "official_compose_file"
    folder = install(tmp_path / "b", COMPOSE_FILE=f"docker-compose.yaml:./{NAME}")
    assert lay(read(folder), made(folder))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file lies where the folder would be."""
    folder = install(tmp_path)
    (folder / "freehold").write_text("")
    assert refused(folder, made(folder)).code == "official_unwritable"
