"""`freehold models sign`: keys, folders, the store."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.artifact import Artifact
from freehold.cli.references import local_store
from freehold.store import Stored
from freehold.store.signatures import check_folder, of_stored
from freehold.store.signing import check, read_public

from .conftest import Ran
from .test_models import mlp_artifact

Freehold = Callable[..., Ran]


@pytest.fixture
def stored(folder: Path) -> Stored:
    """mlp:1 in the user's store."""
    return local_store(os.environ).add(mlp_artifact(folder / "artifact"), "mlp")


def test_a_new_pair_and_a_signature_in_one_go(stored: Stored, freehold: Freehold, folder: Path) -> None:
    """NAME.key only for its owner, NAME.pub for all, and the artifact is signed by it."""
    told = freehold("models", "sign", "mlp:1", "--new-key", "release", "--json").data
    assert stat.S_IMODE((folder / "release.key").stat().st_mode) == 0o600
    assert told["public_key"] == str(folder / "release.pub") or told["public_key"] == "release.pub"
    signatures = of_stored(local_store(os.environ), stored)
    signed = check("m", (stored.digest,), signatures, [read_public(folder / "release.pub")])
    assert signed.key.fingerprint == told["signer"]


def test_only_a_pair(freehold: Freehold, folder: Path) -> None:
    """Without an artifact there is only the pair, which is never overwritten."""
    assert "release.pub" in freehold("models", "sign", "--new-key", "release").out
    before = (folder / "release.key").read_bytes()
    assert freehold("models", "sign", "--new-key", "release", "--json").error["code"] == "signing_key_exists"
    assert (folder / "release.key").read_bytes() == before


def test_a_folder_is_signed_where_it_lies(freehold: Freehold, folder: Path) -> None:
    """The signature goes into the folder, and its digest stays."""
    artifact = mlp_artifact(folder / "artifact")
    digest = Artifact.open(artifact).digest
    freehold("models", "sign", "--new-key", "release")
    assert freehold("models", "sign", str(artifact), "--key", "release.key", "--json").data["digest"] == digest
    assert check_folder("m", artifact, [], [read_public(folder / "release.pub")])


def test_a_folder_that_was_changed_is_not_signed(freehold: Freehold, folder: Path) -> None:
    """Nobody should put a name under files that are not what the manifest says."""
    artifact = mlp_artifact(folder / "artifact")
    raw = bytearray((artifact / "model.onnx").read_bytes())
    raw[-1] ^= 1
    (artifact / "model.onnx").write_bytes(raw)
    freehold("models", "sign", "--new-key", "release")
    ran = freehold("models", "sign", str(artifact), "--key", "release.key", "--json")
    assert ran.error["code"] == "artifact_corrupt"


def test_a_signature_goes_into_the_store_with_its_folder(freehold: Freehold, folder: Path) -> None:
    """`models add` takes along who signed the folder."""
    artifact = mlp_artifact(folder / "artifact")
    freehold("models", "sign", str(artifact), "--new-key", "release")
    assert freehold("models", "add", str(artifact), "--name", "mlp").code == 0
    assert freehold("verify", "mlp:1", "--signed-by", "release.pub", "--json").data["ok"]


def test_a_passphrase_comes_from_the_environment(
    stored: Stored, freehold: Freehold, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks the new key and opens it again; without it, and without a terminal, there is a clear error."""
    monkeypatch.setenv("FREEHOLD_KEY_PASSPHRASE", "open sesame")
    freehold("models", "sign", "--new-key", "release")
    assert b"ENCRYPTED" in (folder / "release.key").read_bytes()
    assert freehold("models", "sign", "mlp", "--key", "release.key").code == 0
    monkeypatch.setenv("FREEHOLD_KEY_PASSPHRASE", "wrong")
    ran = freehold("models", "sign", "mlp", "--key", "release.key", "--json")
    assert ran.error["code"] == "signing_passphrase_wrong"
    monkeypatch.delenv("FREEHOLD_KEY_PASSPHRASE")
    ran = freehold("models", "sign", "mlp", "--key", "release.key", "--json")
    assert ran.error["code"] == "signing_passphrase_wanted"


@pytest.mark.parametrize("words", [(), ("mlp",), ("--key", "release.key")])
def test_what_is_missing_is_said(stored: Stored, freehold: Freehold, words: tuple[str, ...]) -> None:
    """Signing needs an artifact and a key."""
    assert freehold("models", "sign", *words, "--json").error["code"] == "signing_key_wanted"


def test_a_place_that_cannot_be_written(freehold: Freehold) -> None:
    """A new pair in a folder that is not there."""
    ran = freehold("models", "sign", "--new-key", "no/where/release", "--json")
    assert ran.error["code"] == "signing_key_unwritable"


def test_show_tells_of_signatures(stored: Stored, freehold: Freehold) -> None:
    """Whose they say they are; `verify --signed-by` is what checks."""
    told = freehold("models", "sign", "mlp:1", "--new-key", "release", "--json").data
    assert f"says it is by {told['signer'][:19]}" in freehold("models", "show", "mlp:1").out
