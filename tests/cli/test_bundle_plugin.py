"""`freehold bundle plugin` and `check-plugin`, as typed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.bundle.plugin.conftest import offline
from tests.deploy.bundle.plugin.packages import write_plugin, write_wheel

from .conftest import Ran

Freehold = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _small_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of the real size take a second each; tests/deploy/bundle/plugin has one."""
    monkeypatch.setattr("freehold.deploy.bundle.plugin.signature.BITS", 2048)


@pytest.fixture
def source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin of one wheel, which pip finds in a folder."""
    write_wheel(folder / "index", "a_plugin", "1.0")
    for name, value in offline(folder / "index").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return write_plugin(folder / "plugin.difypkg")


def test_a_pair_a_package_an_index_and_the_check(source: Path, freehold: Freehold, folder: Path) -> None:
    """One command makes the key and the package; the other says what the daemon would."""
    told = freehold("bundle", "plugin", str(source), "--new-key", "release", "--index", "simple", "--json").data
    assert told["wheels"] == ["a_plugin-1.0-py3-none-any.whl"]
    assert (told["max_package_size"], told["package"]) == (
        None,
        "langgenius-openai_api_compatible_0.0.63-offline.difypkg",
    )
    assert (folder / "simple" / "a-plugin" / "index.html").is_file()
    checked = freehold("bundle", "check-plugin", told["package"], "--key", "release.pub", "--json").data
    assert checked["signed_at"] == "2023-11-14T22:13:20+00:00"
    first = (folder / told["package"]).read_bytes()
    again = freehold("bundle", "plugin", str(source), "--key", "release.key", "-o", "again.difypkg")
    assert "1 wheels" in again.out
    assert (folder / "again.difypkg").read_bytes() == first

    (folder / "again.difypkg").write_bytes(first.replace(b"nothing of a plugin", b"something of a plug"))
    broken = freehold("bundle", "check-plugin", "again.difypkg", "--key", "release.pub", "--json")
    assert broken.error["code"] == "plugin_unreadable"  # the zip's own checksum, before any signature


def test_only_a_pair(freehold: Freehold, folder: Path) -> None:
    """Without a package there is only the pair; without either, the error says what to give."""
    assert "release.pub" in freehold("bundle", "plugin", "--new-key", "release").out
    assert (folder / "release.key").is_file()
    assert freehold("bundle", "plugin", "--json").error["code"] == "plugin_key_wanted"


def test_nothing_is_written_where_it_fails(source: Path, freehold: Freehold, folder: Path) -> None:
    """A key that is none, a folder that is not there."""
    (folder / "bad.key").write_text("no key")
    assert (
        freehold("bundle", "plugin", str(source), "--key", "bad.key", "--json").error["code"] == "plugin_key_unusable"
    )
    assert not list(folder.glob("*-offline.difypkg"))
    freehold("bundle", "plugin", "--new-key", "release")
    failed = freehold("bundle", "plugin", str(source), "--key", "release.key", "-o", "none/p.difypkg", "--json")
    assert failed.error["code"] == "plugin_unwritable"
