"""All objects of a deployment: their order, and what schemas and typed models say of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from lightkube import codecs

from freehold.deploy.kubernetes.objects import objects, objects_of
from freehold.deploy.kubernetes.storage import loader
from freehold.deploy.kubernetes.verification import verification
from freehold.deploy.services.deployment import Deployment
from tests.deploy.kubernetes.deployments import CASES
from tests.deploy.kubernetes.schemas import ALL, FOREIGN, mistakes

Tree = dict[str, Any]


def everything(deployment: Deployment) -> Iterator[Tree]:
    """With what is applied at other times, too."""
    yield from objects(deployment)
    yield from loader(deployment)
    for unit in deployment.units:
        yield from verification(deployment, unit)


def walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    pairs = tree.items() if isinstance(tree, dict) else (("", item) for item in tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield key, value
        yield from walk(value)


@pytest.mark.parametrize("version", ALL)
def test_every_version_of_kubernetes_takes_them(version: str) -> None:
    """By the strict schemas of kubernetes-validate, for clusters of that version."""
    for case in CASES.values():
        settings = msgspec.structs.replace(case.settings, kubernetes=version)
        for tree in everything(replace(case, settings=settings)):
            assert list(mistakes(tree, version)) == []


@pytest.mark.parametrize("case", [name for name in CASES if name != "oldest"])
def test_typed_models_know_every_field(case: str) -> None:
    """Read into lightkube's and written again, an object is the same: no field is misspelt or of another type."""
    for tree in everything(CASES[case]):
        if tree["kind"] not in FOREIGN:
            assert codecs.from_dict(tree).to_dict() == tree


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_of_the_tenant(case: str) -> None:
    """All lie in the one namespace, and say what they are part of and who made them."""
    deployment = CASES[case]
    namespace = deployment.settings.namespace or "freehold"
    names = []
    for tree in everything(deployment):
        metadata = tree["metadata"]
        assert (metadata["name"] if tree["kind"] == "Namespace" else metadata["namespace"]) == namespace
        assert metadata["labels"]["app.kubernetes.io/part-of"] == deployment.name
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "freehold"
        assert all(len(value) <= 63 for value in metadata["labels"].values())
        names.append((tree["kind"], metadata["name"]))
    assert len(set(names)) == len(names) - sum(unit.role == "models" for unit in deployment.units)  # ConfigMaps, twice


def test_the_gateway_comes_last_and_the_namespace_first() -> None:
    """Whatever is needed is there before it is needed."""
    trees = objects(CASES["cpu"])
    kinds = [tree["kind"] for tree in trees]
    assert kinds[0] == "Namespace"
    assert kinds.index("NetworkPolicy") < kinds.index("Deployment")
    assert [tree["metadata"]["name"] for tree in trees if tree["kind"] == "Deployment"][-1] == "gateway"
    for unit in CASES["cpu"].units:
        assert [tree["kind"] for tree in objects_of(CASES["cpu"], unit)] == [
            "NetworkPolicy",
            "ConfigMap",
            "Service",
            "Deployment",
        ]


@pytest.mark.parametrize("case", CASES)
def test_no_object_is_a_secret(case: str) -> None:
    """Secrets are named, never written; the gateway's file refers to files."""
    for tree in everything(CASES[case]):
        assert tree["kind"] != "Secret"
        for key, value in walk(tree):
            if key == "key" and isinstance(value, str) and value.startswith("$"):
                assert value.startswith("${file:/run/secrets/")


def test_every_image_is_pulled_from_the_mirror() -> None:
    """Whatever container it is of: servers, pulls, the doctor, the check, the loader."""
    images = [
        value
        for case in CASES.values()
        if case.settings.registry
        for tree in everything(case)
        for key, value in walk(tree)
        if key == "image"
    ]
    assert len(images) >= 8
    assert {image.partition("/mirror/")[0] for image in images} == {"harbor.corp.test"}
