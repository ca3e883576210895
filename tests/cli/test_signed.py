"""`require: {signed: true}`: what is not signed is not loaded, by any verb."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.references import local_store
from freehold.cli.signed import check_signed, pinned, requiring, signed_by
from freehold.config import ModelConfig, load
from freehold.errors import FreeholdError
from freehold.store import Stored

from .conftest import Ran, Running, write_mlp
from .test_models import mlp_artifact

Freehold = Callable[..., Ran]


@pytest.fixture
def stored(folder: Path) -> Stored:
    """mlp:1 in the user's store."""
    return local_store(os.environ).add(mlp_artifact(folder / "artifact"), "mlp")


@pytest.fixture
def keys(freehold: Freehold) -> None:
    """release.key and release.pub in the working folder."""
    freehold("models", "sign", "--new-key", "release")


def configure(folder: Path, source: str = "mlp:1", **more: Any) -> None:
    """A configuration of one model that must be signed by `release.pub`."""
    require = {"signed": True, "keys": ["release.pub"]}
    model = {"id": "m", "source": source, **more}
    (folder / "freehold.yaml").write_text(json.dumps({"models": [model], "require": require}))


def test_nothing_is_asked_of_whom_nothing_is_required(folder: Path) -> None:
    """Without `signed` no key is read and no file is hashed."""
    store = local_store(os.environ)
    assert signed_by(ModelConfig("m", str(folder / "absent")), store) == ""
    check_signed(ModelConfig("m", str(folder / "absent")), store)


@pytest.mark.usefixtures("keys")
def test_each_verb_refuses_what_is_not_signed(stored: Stored, freehold: Freehold, folder: Path) -> None:
    """run and verify say so, and after signing they go on."""
    configure(folder)
    assert freehold("run", "m", "--json").error["code"] == "signature_missing"
    (told,) = freehold("verify", "--json").data["models"]
    assert (told["ok"], told["error"]["code"], told["kind"]) == (False, "signature_missing", "")
    freehold("models", "sign", "mlp:1", "--key", "release.key")
    assert freehold("run", "m", "--json").code == 0
    assert "signed  by sha256:" in freehold("verify").out


@pytest.mark.usefixtures("keys")
def test_serve_does_not_load_it(
    stored: Stored, freehold: Freehold, folder: Path, serve: Callable[..., Running]
) -> None:
    """A server whose only model is not signed says why, and leaves."""
    configure(folder)
    running = serve()
    assert running.process.wait(60) == 1
    assert "signature_missing" in running.err.read_text()


@pytest.mark.usefixtures("keys")
def test_another_signer_another_digest(stored: Stored, freehold: Freehold, folder: Path) -> None:
    """A stranger's key, and a signature that was copied from another artifact, have their own errors."""
    configure(folder)
    freehold("models", "sign", "mlp:1", "--new-key", "stranger")
    assert freehold("run", "m", "--json").error["code"] == "signature_untrusted"
    other, artifact = mlp_artifact(folder / "other", 2.0), folder / "artifact"
    freehold("models", "sign", str(other), "--key", "release.key")
    (other / "signatures").rename(artifact / "signatures")
    configure(folder, str(artifact))
    assert freehold("run", "m", "--json").error["code"] == "signature_of_other"


@pytest.mark.usefixtures("keys")
def test_a_changed_byte_is_found_before_anything_is_loaded(stored: Stored, freehold: Freehold, folder: Path) -> None:
    """A signed folder with another weight is refused, though sizes and signature are right."""
    artifact = folder / "artifact"
    freehold("models", "sign", str(artifact), "--key", "release.key")
    raw = bytearray((artifact / "model.onnx").read_bytes())
    raw[-1] ^= 1
    (artifact / "model.onnx").write_bytes(raw)
    configure(folder, str(artifact))
    assert freehold("run", "m", "--json").error["code"] == "artifact_corrupt"


def test_what_is_checked_is_what_is_opened(stored: Stored, folder: Path) -> None:
    """A tag that moves after the look does not change what was meant; paths are what they are."""
    store = local_store(os.environ)
    model = pinned(ModelConfig("m", "mlp:1"), store)
    store.add(mlp_artifact(folder / "other", 2.0), "mlp", "1")
    assert store.find(model.parsed_source).digest == stored.digest
    assert pinned(ModelConfig("m", str(folder)), store).source == str(folder)


@pytest.mark.usefixtures("keys")
def test_a_bare_graph_cannot_be_signed(freehold: Freehold, folder: Path) -> None:
    """What has no manifest is refused where a signature is required."""
    configure(folder, str(write_mlp(folder / "mlp.onnx")))
    assert freehold("run", "m", "--json").error["code"] == "signature_impossible"


def test_a_key_that_is_not_there(stored: Stored, freehold: Freehold, folder: Path) -> None:
    """A configuration that trusts an absent key trusts nobody, and says which file is missing."""
    configure(folder)
    error = freehold("run", "m", "--json").error
    assert error["code"] == "signing_key_unreadable"
    assert str(folder / "release.pub") in error["cause"]


def test_requiring_makes_paths_absolute(folder: Path) -> None:
    """Keys of the command line are relative to where it was typed."""
    model = requiring(ModelConfig("m", "mlp:1"), [Path("a.pub"), Path("/b.pub")])
    assert model.require.signed
    assert model.require.keys == (str(folder / "a.pub"), "/b.pub")


def test_a_model_overrides_what_all_must_show(folder: Path) -> None:
    """`require` at top level is every model's, key by key; keys are relative to the file."""
    top = {"signed": True, "keys": ["release.pub"], "proof": "always"}
    own = {"proof": "optional"}
    models = [{"id": "a", "source": "a:1"}, {"id": "b", "source": "b:1", "require": own | {"keys": ["b.pub"]}}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": models, "require": top}))
    first, second = load(None, {}, folder).models
    assert (first.require.proof, first.require.signed, first.require.keys) == (
        "always",
        True,
        (str(folder / "release.pub"),),
    )
    assert (second.require.proof, second.require.signed, second.require.keys) == (
        "optional",
        True,
        (str(folder / "b.pub"),),
    )


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ({"source": "a:1", "require": {"signed": True}}, "config_keys_wanted"),
        (
            {"source": "https://llm.example/v1", "require": {"signed": True, "keys": ["a.pub"]}},
            "config_signed_elsewhere",
        ),
        ({"source": "/m", "engine": "vllm", "require": {"signed": True, "keys": ["a.pub"]}}, "config_signed_elsewhere"),
    ],
)
def test_what_cannot_be_required(folder: Path, model: dict[str, Any], code: str) -> None:
    """A signature of nobody in particular, and of what another program loads."""
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"id": "a", **model}]}))
    with pytest.raises(FreeholdError) as raised:
        load(None, {}, folder)
    assert raised.value.code == code
