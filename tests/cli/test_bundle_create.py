"""`freehold bundle` from the command line, against real registries, up to a rendering with digests."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold import __version__
from freehold.cli.references import local_store
from freehold.config import Network
from freehold.store.http_client import open_client
from freehold.store.registry.client import Repository
from tests.deploy.bundle.made import layer, push_image
from tests.deploy.bundle.plugin.packages import write_plugin
from tests.docker_registry import docker_registry

from .conftest import Ran
from .test_models import mlp_artifact

Freehold = Callable[..., Ran]
IMAGE = f"freehold/freehold:{__version__}"
CONFIGURATION = "models: [{id: mlp, source: mlp:1}]\n"
ARM = "linux/arm64"


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """One where images come from, the digest of ours there, and one of the closed network."""
    origin, closed = tmp_path_factory.mktemp("origin"), tmp_path_factory.mktemp("closed")
    with docker_registry(origin) as first, docker_registry(closed) as second, open_client(Network(), {}) as client:
        name, tag = IMAGE.split(":")
        digest = push_image(Repository(f"{first}/{name}", client), tag, [layer("ours")], "arm64")
        yield first, digest, second


@pytest.fixture
def site(folder: Path, monkeypatch: pytest.MonkeyPatch, freehold: Freehold) -> Path:
    """A folder with a configuration, a store with its model, and a pair of keys; no Docker Engine answers."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/none")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "docker"))
    local_store(os.environ).add(mlp_artifact(folder / "artifact"), "mlp")
    (folder / "freehold.yaml").write_text(CONFIGURATION)
    assert freehold("models", "sign", "--new-key", "ours").code == 0
    return folder


def create(freehold: Freehold, origin: str, *words: str) -> Ran:
    """For another machine than this one, so that nothing of this machine's engine could be in it."""
    return freehold("bundle", "create", "--from", origin, "--platform", ARM, "--no-wheels", *words)


def test_created_verified_loaded_and_rendered(
    site: Path, registries: tuple[str, str, str], freehold: Freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: what is rendered in the closed network names the image by the digest that it had outside."""
    origin, digest, closed = registries
    planned = create(freehold, origin, "--output", "b.tar", "--plan", "--json").data
    assert [(part["sort"], part["name"]) for part in planned["parts"]] == [("image", IMAGE), ("artifact", "mlp:1")]
    assert planned["missing"] == sum(part["bytes"] for part in planned["parts"]) > 0
    assert not (site / "b.tar").exists()
    made = create(freehold, origin, "--output", "b.tar", "--sign-key", "ours.key")
    assert "signed by sha256:" in made.out
    verified = freehold("bundle", "verify", "b.tar", "--key", "ours.pub", "--json").data
    assert verified["images"] == [{"name": IMAGE, "digest": digest, "from": f"{origin}/freehold/freehold"}]
    assert "ours.pub" in verified["signed_by"]

    monkeypatch.setenv("FREEHOLD_HOME", str(site / "closed"))
    words = ("bundle", "load", "b.tar", "--key", "ours.pub", "--to", closed, "--into", "there")
    assert "images go to" in freehold(*words, "--plan").out
    assert not (site / "there").exists()
    loaded = freehold(*words, "--json").data
    assert loaded["images"] == {f"{closed}/{IMAGE}": digest}
    assert loaded["artifacts"] == ["mlp:1"]
    assert [note["code"] for note in loaded["notes"]] == ["bundle_registry_other"]
    assert (site / "there" / "freehold.yaml").read_text() == CONFIGURATION

    told = f"{CONFIGURATION}deploy: {{registry: {closed}, pull_from: {closed}/models}}\n"
    (site / "there" / "freehold.yaml").write_text(told)
    rendered = freehold("render", "compose", "there/freehold.yaml", "--output", "out")
    assert rendered.code == 0, rendered.err
    assert f"image: {closed}/freehold/freehold:{__version__}@{digest}" in (site / "out" / "compose.yaml").read_text()
    rendered = freehold("render", "kubernetes", "there/freehold.yaml", "--output", "k8s")
    assert f"@{digest}" in (site / "k8s" / "gateway.yaml").read_text()
    again = freehold(*words, "--json").data
    assert [note["code"] for note in again["notes"]] == ["bundle_configuration_kept"]
    assert (site / "there" / "freehold.yaml").read_text() == told


def test_a_dify_without_its_plugin_is_noted(site: Path, registries: tuple[str, str, str], freehold: Freehold) -> None:
    """Its models could not be added there; who carries the plugin hears nothing."""
    (site / "freehold.yaml").write_text(f"{CONFIGURATION}dify: {{url: http://d.corp}}\n")
    words = ("--output", "b.tar", "--plan", "--json")
    assert [note["code"] for note in create(freehold, registries[0], *words).data["notes"]] == ["bundle_plugin_none"]
    plugin = write_plugin(site / "plugin.difypkg")
    assert create(freehold, registries[0], "--plugin", str(plugin), *words).data["notes"] == []


def test_a_folder_that_is_not_signed_says_so(site: Path, registries: tuple[str, str, str], freehold: Freehold) -> None:
    """By an explicit word on both sides, and in every text; a key then finds no signature."""
    refused = create(freehold, registries[0], "--output", "b", "--json")
    assert refused.error["code"] == "bundle_key_needed"
    assert "NOT SIGNED" in create(freehold, registries[0], "--output", "b", "--unsigned").out
    assert freehold("bundle", "verify", "b", "--json").error["code"] == "bundle_key_needed"
    assert "NOT SIGNED" in freehold("bundle", "verify", "b", "--unsigned").out
    assert freehold("bundle", "verify", "b", "--key", "ours.pub", "--json").error["code"] == "bundle_unsigned"
    loaded = freehold("bundle", "load", "b", "--unsigned", "--to", registries[2], "--into", "there")
    assert "NOT SIGNED" in loaded.out


def test_nothing_is_loaded_of_a_bundle_that_was_changed(
    site: Path, registries: tuple[str, str, str], freehold: Freehold
) -> None:
    """One byte, a wrong key, a cut: the error names it, and the closed side is as it was."""
    assert create(freehold, registries[0], "--output", "b.tar", "--sign-key", "ours.key").code == 0
    assert freehold("models", "sign", "--new-key", "theirs").code == 0
    whole = (site / "b.tar").read_bytes()
    at = whole.index(b"models: [{id")
    words = ("--key", "ours.pub", "--to", registries[2], "--into", "there", "--json")
    (site / "changed.tar").write_bytes(whole[:at] + b"M" + whole[at + 1 :])
    error = freehold("bundle", "load", "changed.tar", *words).error
    assert (error["code"], error["details"]["entry"]) == ("bundle_tampered", "freehold.yaml")
    (site / "cut.tar").write_bytes(whole[: len(whole) // 2])
    assert freehold("bundle", "load", "cut.tar", *words).error["code"] == "bundle_truncated"
    wrong = freehold("bundle", "load", "b.tar", "--key", "theirs.pub", *words[2:])
    assert wrong.error["code"] == "bundle_key_wrong"
    assert not (site / "there").exists()


def test_an_image_for_another_architecture_is_an_error(
    site: Path, registries: tuple[str, str, str], freehold: Freehold
) -> None:
    """With what there is; what is no platform at all too."""
    assert create(freehold, registries[0], "-o", "b.tar", "--unsigned", "--platform", "arm", "--json").error[
        "code"
    ] == ("bundle_platform_invalid")
    words = ("--from", registries[0], "--platform", "linux/s390x", "--no-wheels", "--unsigned", "-o", "b.tar", "--json")
    error = freehold("bundle", "create", *words).error
    assert (error["code"], error["details"]["known"]) == ("bundle_platform_missing", "linux/arm64")


def test_a_model_of_a_path_is_carried_and_its_new_place_told(
    site: Path, registries: tuple[str, str, str], freehold: Freehold
) -> None:
    """Where the configuration's path is not there after loading."""
    (site / "freehold.yaml").write_text(json.dumps({"models": [{"id": "own", "source": str(site / "artifact")}]}))
    assert create(freehold, registries[0], "--output", "b.tar", "--unsigned").code == 0
    (site / "artifact").rename(site / "moved")
    loaded = freehold("bundle", "load", "b.tar", "--unsigned", "--to", registries[2], "--into", "there", "--json").data
    assert loaded["notes"][0]["code"] == "bundle_model_elsewhere"
    assert (site / "there" / "models" / "path" / "own" / "model.onnx").is_file()


def test_a_plugin_that_is_none_is_refused(site: Path, registries: tuple[str, str, str], freehold: Freehold) -> None:
    """Before anything is fetched."""
    (site / "p.difypkg").write_text("letters")
    ran = create(freehold, registries[0], "--output", "b.tar", "--unsigned", "--plugin", "p.difypkg", "--json")
    assert ran.error["code"].startswith("plugin_")
    assert not (site / "b.tar").exists()
