"""Deployments with a Dify on a cluster, and ways to what tests look at in its objects."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from freehold.deploy.kubernetes.dify.objects import dify_of
from freehold.deploy.kubernetes.objects import objects
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation
from tests.deploy.kubernetes.deployments import BGE, REGISTRY, STORAGE, configured

Tree = dict[str, Any]

HOST = "dify.corp.test"


def with_dify(dify: dict[str, Any] | None = None, network: dict[str, Any] | None = None, **settings: Any) -> Deployment:
    """One model, and the Dify that `dify` says."""
    document = {"models": [BGE], "dify": {"version": "1.15.0", **(dify or {})}, "network": network or {}}
    return configured(document, **settings)


CASES: dict[str, Deployment] = {
    "dify": with_dify(
        {"ingress_host": HOST},
        ingress={"host": "models.corp.test", "ingress_class": "nginx", "issuer": "letsencrypt"},
        clients=["dify-a"],
    ),
    "dify-own": with_dify(
        {
            "ingress_host": HOST,
            "postgres": {"host": "10.0.0.5", "password": "${env:PG_PASSWORD}", "tls": "verify-full"},
            "redis": {"host": "redis.corp.test", "port": 6380, "password": "${file:/etc/redis key}", "tls": True},
            "storage": {
                "endpoint": "https://minio.corp.test:9000",
                "bucket": "dify",
                "access_key": "${env:S3_ACCESS}",
                "secret_key": "${env:S3_SECRET}",
            },
            "vectors": {"kind": "weaviate"},
            "private_hosts": ["10.9.0.0/16", "wiki.corp.test"],
            "package_index": "https://pypi.corp.test/simple",
            "plugin_key": "/pki/plugins.pem",
            "storage_class": "ceph-rbd",
        },
        network={"ca": "/etc/ssl/corp.pem"},
        registry=REGISTRY,
        pull_secrets=["harbor"],
        ingress={"host": "models.corp.test", "ingress_class": "traefik", "secret": "corp-tls"},
    ),
    "dify-qdrant": with_dify(
        {"vectors": {"kind": "qdrant"}}, kubernetes="1.25", storage=STORAGE | {"storage_class": "cephfs"}
    ),
}


@cache
def dify(case: str) -> Installation:
    """Its services."""
    found = dify_of(CASES[case])
    assert found is not None
    return found


@cache
def trees_of(case: str) -> tuple[Tree, ...]:
    """Every object, of the models too."""
    return objects(CASES[case])


def of_kind(case: str, kind: str) -> dict[str, Tree]:
    """By name, the objects of a kind."""
    return {tree["metadata"]["name"]: tree for tree in trees_of(case) if tree["kind"] == kind}


@cache
def pods_by_service(case: str) -> dict[str, Tree]:
    """By the name in the topology, the spec of its pods."""
    found = {}
    hosts = {f"dify-{service.name.replace('_', '-')}": service.name for service in dify(case).services}
    for tree in trees_of(case):
        if tree["kind"] in ("Deployment", "StatefulSet", "Job"):
            instance = tree["metadata"]["labels"]["app.kubernetes.io/instance"]
            if instance in hosts:
                found[hosts[instance]] = tree["spec"]["template"]["spec"]
    return found


def variables(container: Tree, maps: dict[str, Tree], secrets: dict[str, str]) -> dict[str, str]:
    """What a container sees, as the kubelet makes it; `secrets` by "NAME/KEY" of their objects."""
    seen: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        seen |= maps[source["configMapRef"]["name"]]["data"]
    for one in container.get("env", ()):
        if "value" in one:
            seen[one["name"]] = _expanded(one["value"], seen)
        else:
            place = one["valueFrom"]["secretKeyRef"]
            seen[one["name"]] = secrets[f"{place['name']}/{place['key']}"]
    return {name: text for name, text in seen.items() if not name.startswith("FREEHOLD_PART_")}


def _expanded(text: str, seen: dict[str, str]) -> str:
    """`$(NAME)` of what stands before it; `$$(NAME)` is left alone but for one `$`."""
    return re.sub(r"\$\$\(|\$\((\w+)\)", lambda found: "$(" if found[1] is None else seen.get(found[1], found[0]), text)


def texts(tree: Any) -> Iterable[str]:
    """Every text in it."""
    if isinstance(tree, str):
        yield tree
    else:
        for one in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
            yield from texts(one)
