"""Wheels for another Python and machine: resolved, closed by the daemon's markers, checked."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from freehold.deploy.bundle.plugin.requirements import Wanted
from freehold.deploy.bundle.plugin.wheels import environment, fetch, follow, opened
from freehold.errors import FreeholdError

from .conftest import offline
from .packages import digest_of, write_wheel

TOP = Wanted((Requirement("top>=1"),))


def error_of(wanted: Wanted, tmp_path: Path) -> FreeholdError:
    """What fetching ends in, with the wheels of tmp_path/index."""
    with pytest.raises(FreeholdError) as caught:
        fetch(wanted, ("amd64",), tmp_path / "work", offline(tmp_path / "index"))
    return caught.value


def test_what_only_the_daemons_python_asks_for_comes_too(tmp_path: Path) -> None:
    """pip judges markers by its own Python, 3.11 say; what 3.12 asks for is found behind it, extras as well."""
    index = tmp_path / "index"
    write_wheel(index, "top", "1.0", 'newer; python_version >= "3.12"', 'never; sys_platform == "win32"', "base[more]")
    write_wheel(index, "newer", "2.0", "deep")
    write_wheel(index, "base", "1.0", 'rest>=2; extra == "more"')
    for name, version in (("deep", "1.0"), ("rest", "2.0"), ("unused", "1.0")):
        write_wheel(index, name, version)
    found = fetch(TOP, ("amd64",), tmp_path / "work", offline(index))
    assert [wheel.name for wheel in found] == ["base", "deep", "newer", "rest", "top"]
    assert found[0].digest == digest_of(found[0].path)


def test_two_machines_get_one_version(tmp_path: Path) -> None:
    """A newer version that only one machine has is not taken for it, when the other came first."""
    index = tmp_path / "index"
    for version, machine in (("1.0", "x86_64"), ("1.0", "aarch64"), ("2.0", "aarch64")):
        write_wheel(index, "top", version, tag=f"cp312-cp312-manylinux_2_28_{machine}")
    found = fetch(TOP, ("amd64", "arm64"), tmp_path / "work", offline(index))
    assert {wheel.version for wheel in found} == {"1.0"}
    assert len(found) == 2


def test_wheels_for_a_newer_system_are_not_taken(tmp_path: Path) -> None:
    """The daemon's image has glibc 2.39, and Python 3.12."""
    index = tmp_path / "index"
    write_wheel(index, "top", "1.0", tag="cp312-cp312-manylinux_2_5_x86_64")
    write_wheel(index, "top", "2.0", tag="cp312-cp312-manylinux_2_41_x86_64")
    write_wheel(index, "top", "3.0", tag="cp313-cp313-manylinux_2_5_x86_64")
    assert [wheel.version for wheel in fetch(TOP, ("amd64",), tmp_path / "work", offline(index))] == ["1.0"]


def test_a_dependency_of_sources_alone_is_named(tmp_path: Path) -> None:
    """There is no compiler in a closed network: the error says which package has no wheel."""
    write_wheel(tmp_path / "index", "top", "1.0", "native>=3")
    (tmp_path / "index" / "native-3.1.tar.gz").write_bytes(b"sources")
    error = error_of(TOP, tmp_path)
    assert (error.code, error.details["wanted"]) == ("plugin_wheel_missing", "native>=3")


def test_another_file_than_the_author_locked_is_refused(tmp_path: Path) -> None:
    """The index gives the version, with other bytes."""
    write_wheel(tmp_path / "index", "top", "1.0")
    locked = Wanted(TOP.requirements, {"top": "1.0"}, {("top", "1.0"): frozenset({"00" * 32})})
    assert error_of(locked, tmp_path).code == "plugin_wheel_changed"


def test_versions_that_contradict_one_another_are_told_in_pips_words(tmp_path: Path) -> None:
    """What pip says stands in the error."""
    write_wheel(tmp_path / "index", "top", "1.0", "base<2")
    write_wheel(tmp_path / "index", "base", "1.0")
    write_wheel(tmp_path / "index", "base", "2.0")
    error = error_of(Wanted(TOP.requirements, {"base": "2.0"}), tmp_path)
    assert error.code == "plugin_download_failed"
    assert "base" in error.details["said"]


def test_what_is_missing_is_found_by_following(tmp_path: Path) -> None:
    """A wheel of another version than asked for does not answer."""
    top = opened(write_wheel(tmp_path, "top", "1.0", "base>=2"))
    base = opened(write_wheel(tmp_path, "base", "1.0"))
    reached, missing = follow(TOP.requirements, {"top": top, "base": base}, environment("arm64"))
    assert [wheel.name for wheel in reached] == ["top"]
    assert [str(one) for one in missing] == ["base>=2"]


@pytest.mark.parametrize("name", ["no-wheel.whl", "a-1-py3-none-any.whl"])
def test_what_is_no_wheel_is_named(tmp_path: Path, name: str) -> None:
    """A wrong name, or no zip."""
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(FreeholdError) as caught:
        opened(tmp_path / name)
    assert caught.value.code == "plugin_wheel_unreadable"
