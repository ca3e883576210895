"""`freehold bundle verify` from the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.deploy.bundle.contents import Wanted
from freehold.deploy.bundle.creating import Creation
from freehold.store.blobs import Blobs

from .conftest import Ran

Freehold = Callable[..., Ran]


@pytest.fixture
def bundle(folder: Path) -> Path:
    """One with a configuration alone, not signed."""
    wanted = Wanted("linux/amd64", "models: [{id: m, source: m:1}]\n")
    return Creation.begin(wanted, folder / "b.tar", Blobs(folder / "store"), None).create(None, lambda _: None).place


def test_a_whole_bundle_is_told(bundle: Path, freehold: Freehold) -> None:
    """What it has, and that nobody signed it; as data too."""
    ran = freehold("bundle", "verify", "b.tar", "--unsigned")
    assert (ran.code, "b.tar is whole: 4 files" in ran.out, "NOT SIGNED" in ran.out) == (0, True, True)
    data = freehold("bundle", "verify", str(bundle), "--unsigned", "--json").data
    assert (data["files"], data["signed_by"], data["platform"]) == (4, "", "linux/amd64")


def test_what_is_wrong_is_an_exit_code_and_a_name(bundle: Path, freehold: Freehold) -> None:
    """A byte that changed, a key that is none, a bundle that is not there; in both languages."""
    raw = bundle.read_bytes()
    bundle.write_bytes(raw.replace(b"m:1", b"m:2"))
    ran = freehold("bundle", "verify", "b.tar", "--unsigned", "--lang", "zh")
    assert (ran.code, "freehold.yaml" in ran.err, "错误" in ran.err) == (1, True, True)
    assert (
        freehold("bundle", "verify", "b.tar", "--key", "none.pub", "--json").error["code"] == "signing_key_unreadable"
    )
    assert freehold("bundle", "verify", "none.tar", "--unsigned", "--json").error["code"] == "bundle_unreadable"
