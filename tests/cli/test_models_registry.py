"""`freehold models push|pull` from the command line, against a real registry, up to a served answer."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.cli.references import local_store
from freehold.store import Stored
from tests.docker_registry import docker_registry, free_port, password_settings

from .conftest import Ran, Running
from .test_models import mlp_artifact

Freehold = Callable[..., Ran]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with the user anna."""
    folder = tmp_path_factory.mktemp("registry")
    with docker_registry(folder, password_settings(folder)) as host:
        yield host


@pytest.fixture
def stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """mlp:1 in the user's store, who is logged in by the environment."""
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "docker"))
    monkeypatch.setenv("FREEHOLD_REGISTRY_USERNAME", "anna")
    monkeypatch.setenv("FREEHOLD_REGISTRY_PASSWORD", "open sesame")
    return local_store(os.environ).add(mlp_artifact(folder / "artifact"), "mlp")


def test_proven_signed_pushed_pulled_verified_and_served(
    stored: Stored,
    registry: str,
    freehold: Freehold,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[..., Running],
) -> None:
    """The way of a model from the machine where it is signed to one that serves nothing unsigned."""
    place = f"oci://{registry}/team/mlp"
    assert freehold("golden", "record", "mlp:1").code == 0  # a golden makes it mlp:2
    assert freehold("models", "sign", "mlp:2", "--new-key", "release").code == 0
    pushed = freehold("models", "push", "mlp:2", place, "--json").data
    assert pushed["place"] == f"{place}:2"
    assert pushed["referrers"] == 1
    monkeypatch.setenv("FREEHOLD_HOME", str(folder / "server"))
    pulled = freehold("models", "pull", place, "--json").data
    assert (pulled["name"], pulled["tag"], pulled["digest"]) == ("mlp", "2", pushed["digest"])
    require = {"signed": True, "keys": ["release.pub"]}
    models = [{"id": "mlp", "source": "mlp:2"}]
    (folder / "freehold.yaml").write_text(json.dumps({"require": require, "models": models}))
    verified = freehold("verify", "--json").data
    assert verified["ok"]
    assert "release.pub" in verified["models"][0]["signed_by"]
    running = serve()
    assert running.banner
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 16], "data": [0.0] * 16}]}
    status, answer = running.ask("POST", "/v2/models/mlp/infer", body)
    assert status == 200, answer
    assert answer["outputs"][0]["shape"] == [1, 4]
    assert running.leave() == 0


def test_push_remembers_where(stored: Stored, registry: str, freehold: Freehold) -> None:
    """The second push of a name needs no place, and sends nothing."""
    assert freehold("models", "push", "mlp", "--json").error["code"] == "registry_target_wanted"
    first = freehold("models", "push", "mlp", f"oci://{registry}/again/mlp")
    assert f"oci://{registry}/again/mlp:1" in first.out
    again = freehold("models", "push", "mlp", "--json").data
    assert (again["place"], again["moved"]) == (f"oci://{registry}/again/mlp:1", 0)


def test_pull_takes_another_name_and_a_digest(stored: Stored, registry: str, freehold: Freehold) -> None:
    """By OCI digest under a name of one's own, numbered from one."""
    place = f"oci://{registry}/named/mlp"
    freehold("models", "push", "mlp", place)
    pulled = freehold("models", "pull", f"{place}@{stored.oci_digest}", "--name", "other", "--json").data
    assert (pulled["name"], pulled["tag"], pulled["moved"]) == ("other", "1", 0)
    assert "mlp:1" in freehold("models", "pull", place).out


def test_an_image_gets_a_tag_of_its_own(stored: Stored, registry: str, freehold: Freehold) -> None:
    """It does not take the artifact's tag away, and cannot be pulled into a store."""
    place = f"oci://{registry}/image/mlp"
    freehold("models", "push", "mlp", place)
    pushed = freehold("models", "push", "mlp", "--as", "image", "--json").data
    assert pushed["place"] == f"{place}:1-image"
    assert freehold("models", "pull", pushed["place"], "--json").error["code"] == "registry_not_artifact"


@pytest.mark.parametrize("words", [("push", "mlp", "./folder"), ("push", "mlp", "mlp:1"), ("pull", "mlp:1")])
def test_a_place_is_written_in_one_way(stored: Stored, freehold: Freehold, words: tuple[str, ...]) -> None:
    """What is no place in a registry is answered by how one is written."""
    assert freehold("models", *words, "--json").error["code"] == "registry_place_wanted"


def test_a_digest_is_no_place_to_push_to(stored: Stored, freehold: Freehold) -> None:
    """A push sets a tag."""
    ran = freehold("models", "push", "mlp", f"oci://r.example/m@sha256:{'0' * 64}", "--json")
    assert ran.error["code"] == "registry_place_wanted"


def test_without_a_login_it_says_how(
    stored: Stored, registry: str, freehold: Freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody in particular is told to log in, and a wrong password is not shown."""
    monkeypatch.setenv("FREEHOLD_REGISTRY_PASSWORD", "wrong-password")
    ran = freehold("models", "push", "mlp", f"oci://{registry}/team/mlp")
    assert ran.code == 1
    assert f"docker login {registry}" in ran.err
    assert "wrong-password" not in ran.err
    monkeypatch.delenv("FREEHOLD_REGISTRY_USERNAME")
    monkeypatch.delenv("FREEHOLD_REGISTRY_PASSWORD")
    ran = freehold("models", "pull", f"oci://{registry}/team/mlp:1", "--json")
    assert ran.error["code"] == "registry_login_needed"


def test_the_file_of_docker_login_is_used(
    stored: Stored, registry: str, freehold: Freehold, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has run `docker login` need not log in again."""
    monkeypatch.delenv("FREEHOLD_REGISTRY_USERNAME")
    monkeypatch.delenv("FREEHOLD_REGISTRY_PASSWORD")
    (folder / "docker").mkdir()
    login = {"auths": {registry: {"auth": "YW5uYTpvcGVuIHNlc2FtZQ=="}}}
    (folder / "docker" / "config.json").write_text(json.dumps(login))
    assert freehold("models", "push", "mlp", f"oci://{registry}/docker/mlp").code == 0


def test_a_registry_that_is_away(stored: Stored, freehold: Freehold) -> None:
    """It is named, with what to look at."""
    ran = freehold("models", "pull", f"oci://127.0.0.1:{free_port()}/m:1", "--json")
    assert ran.error["code"] == "registry_unreachable"


def test_a_copy_of_the_store_serves_elsewhere(stored: Stored, freehold: Freehold, folder: Path) -> None:
    """Where there is no registry, the store's folder itself can be carried over."""
    shutil.copytree(folder / "home" / "store", folder / "carried" / "store")
    os.environ["FREEHOLD_HOME"] = str(folder / "carried")
    assert freehold("run", "mlp:1", "--json").data["kind"] == "tensor"
