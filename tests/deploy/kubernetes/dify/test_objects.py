"""All objects of a Dify: what schemas and typed models say of them, and that they hold the whole topology."""

import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
import yaml
from lightkube import codecs

from freehold.deploy.kubernetes.dify.environment import dify_secrets, encoded, is_encoded
from freehold.deploy.kubernetes.dify.naming import SECRETS, host_of
from freehold.deploy.kubernetes.dify.objects import dify_objects, dify_of, files_of
from freehold.deploy.kubernetes.naming import secret_of
from freehold.deploy.kubernetes.objects import objects
from freehold.deploy.kubernetes.rendering import render
from freehold.deploy.topology.release import release_of
from freehold.deploy.topology.texts import filled
from tests.deploy.kubernetes.dify.cases import (
    CASES,
    dify,
    of_kind,
    pods_by_service,
    texts,
    trees_of,
    variables,
    with_dify,
)
from tests.deploy.kubernetes.schemas import ALL, FOREIGN, mistakes
from tests.deploy.kubernetes.trees import containers
from tests.deploy.rendered_text import check_rendered

HOST_TOO = "dify-sandbox"


@pytest.mark.parametrize(
    ("case", "version"), [*(("dify", version) for version in ALL), ("dify-own", "1.31"), ("dify-qdrant", "1.25")]
)
def test_every_version_of_kubernetes_takes_them(case: str, version: str) -> None:
    """By the strict schemas of kubernetes-validate, for clusters of that version."""
    settings = msgspec.structs.replace(CASES[case].settings, kubernetes=version)
    for tree in dify_objects(replace(CASES[case], settings=settings), dify(case)):
        assert list(mistakes(tree, version)) == []


@pytest.mark.parametrize("case", CASES)
def test_typed_models_know_every_field(case: str) -> None:
    """Read into lightkube's and written again, an object is the same."""
    for tree in trees_of(case):
        if tree["kind"] not in FOREIGN:
            assert codecs.from_dict(tree).to_dict() == tree


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_of_dify_and_of_the_namespace(case: str) -> None:
    """And none is of the deployment of models, whose rollouts count and stop what is theirs."""
    names = [(tree["kind"], tree["metadata"]["name"]) for tree in trees_of(case)]
    assert len(set(names)) == len(names)
    for tree in dify_objects(CASES[case], dify(case)):
        assert tree["metadata"]["namespace"] == "freehold"
        labels = tree["metadata"]["labels"]
        assert (labels["app.kubernetes.io/part-of"], labels["app.kubernetes.io/managed-by"]) == ("dify", "freehold")
        assert tree["kind"] != "Secret"


@pytest.mark.parametrize("case", CASES)
def test_every_service_runs_as_the_topology_has_it(case: str) -> None:
    """Its image, words, ports, files, volumes; a database in a StatefulSet, the job in a Job."""
    pods, maps = pods_by_service(case), of_kind(case, "ConfigMap")
    assert list(pods) == [service.name for service in dify(case).services]
    for service in dify(case).services:
        (container,) = pods[service.name]["containers"]
        assert container["image"] == service.image
        assert tuple(container.get("command", ())) == service.entrypoint
        assert tuple(container.get("args", ())) == service.command
        ports = [port["containerPort"] for port in container.get("ports", ())]
        assert ports == [port for port in (service.port, *service.more_ports) if port]
        claimed = {
            one["name"]: one["persistentVolumeClaim"]["claimName"]
            for one in pods[service.name]["volumes"]
            if "persistentVolumeClaim" in one
        }
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        mounted = {path: claimed[name] for path, name in mounts.items() if name in claimed}
        assert mounted == {volume.path: host_of(volume.name) for volume in service.volumes}
        assert mounts.keys() >= {*service.files, *service.secret_files, *service.writable}
        files = maps.get(f"{host_of(service.name)}-files", {"data": {}})["data"]
        assert set(files.values()) == set(service.files.values())


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_what_the_topology_says(case: str) -> None:
    """With all secrets put in, in the containers that run first, too."""
    made = {name: f"made-{name}" for name in dify(case).secrets}
    given = {name: f"your/{name}" for name in dify(case).given}
    objects_ = {f"{SECRETS}/{name}": text for name, text in made.items()}
    for name, secret in dify(case).given.items():
        objects_[f"{secret_of(secret)}/value"] = given[name]
        objects_[f"{secret_of(encoded(secret))}/value"] = quote(given[name], safe="")
    maps = of_kind(case, "ConfigMap")
    for service in dify(case).services:
        spec = pods_by_service(case)[service.name]
        wanted = dict(service.environment) | {
            name: filled(text, made | given) for name, text in service.secrets.items()
        }
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert variables(container, maps, objects_) == wanted


@pytest.mark.parametrize("case", CASES)
def test_no_public_default_is_left(case: str) -> None:
    """In whatever text of whatever object; one of them is also the name of a host here, and no variable's value."""
    forbidden = release_of("1.15.0").forbidden
    assert HOST_TOO in forbidden
    for tree in trees_of(case):
        assert not any(word in text for text in texts(tree) for word in forbidden if word != HOST_TOO)
        assert HOST_TOO not in tree.get("data", {}).values()
    for container in containers(trees_of(case)):
        assert not any(one.get("value") == HOST_TOO for one in container.get("env", ()))


def test_the_users_own_secrets_are_listed_once() -> None:
    """As values, as parts of addresses, as files."""
    found = dify_secrets(dify("dify-own"))
    names = [secret.name for secret in found]
    assert len(set(names)) == len(names)
    assert {"dify-db-password", "dify-redis-password", "dify-redis-password-url", "dify-s3-secret-key"} <= set(names)
    assert {"dify-ca", "dify-plugin-key"} <= set(names)
    assert [secret.name for secret in found if is_encoded(secret)] == ["dify-redis-password-url"]


def test_without_a_dify_nothing_changes() -> None:
    """No object, no right and no label more."""
    case = with_dify()
    plain = replace(case, config=msgspec.structs.replace(case.config, dify=None))
    assert dify_of(plain) is None
    assert not any("dify" in tree["metadata"]["name"] for tree in objects(plain))


def test_files_hold_the_same_objects_once() -> None:
    """One file for each service, and for what all share."""
    case = CASES["dify"]
    found = [tree for trees in files_of(case, dify("dify")).values() for tree in trees]
    assert sorted(map(str, found)) == sorted(map(str, dify_objects(case, dify("dify"))))


@pytest.mark.parametrize("case", ["dify", "dify-own"])
def test_a_dify_is_rendered_as_agreed(case: str) -> None:
    """Byte by byte, as a kustomization that holds the objects that are applied."""
    files = render(CASES[case])
    assert files == render(CASES[case])
    check_rendered(f"kubernetes/{case}", files)
    listed = yaml.safe_load(files["kustomization.yaml"])["resources"]
    found = [tree for path in listed for tree in yaml.safe_load_all(files[path])]
    assert sorted(map(str, found)) == sorted(map(str, trees_of(case)))


def test_images_of_dify_come_from_the_mirror_and_by_digest() -> None:
    """As those of models do."""
    assert all(service.image.startswith("harbor.corp.test/mirror/") for service in dify("dify-own").services)
    image = "langgenius/dify-web:1.15.0"
    pinned = dify_of(replace(CASES["dify"], digests={image: f"sha256:{'d' * 64}"}))
    assert pinned is not None
    assert pinned.service("web").image == f"{image}@sha256:{'d' * 64}"


def test_kubectl_reads_the_folder(tmp_path: Path) -> None:
    """`kubectl kustomize` gives every object."""
    for name, text in render(CASES["dify"]).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) == len(trees_of("dify"))
