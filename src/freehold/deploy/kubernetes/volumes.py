"""What a pod reads and writes: its configuration, its secrets, model files, and room that ends with it."""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from freehold.config.deploying import Storage
from freehold.deploy.deployment import Deployment
from freehold.deploy.kubernetes.naming import SECRET_KEY, Tree, config_key, secret_of, service_of
from freehold.deploy.units import Mount, Unit
from freehold.errors import FreeholdError

DATA = "/app/data"
"""FREEHOLD_HOME of our image."""
SECRETS = "/run/secrets"
LOGIN = "registry"
"""The volume with the login at the registry, for what pulls alone."""
REGISTRY = "/run/registry"
"""DOCKER_CONFIG there: the file of the first pull secret."""

READABLE_BY_GROUP = 0o440
"""Secrets belong to root and to the pod's fsGroup."""
_SCRATCH = "8Gi"
_OURS = ("gateway", "models")


class Volume(NamedTuple):
    """A volume of a pod, and where containers see it."""

    volume: Tree
    mounts: tuple[Tree, ...]


def volumes(deployment: Deployment, unit: Unit) -> Iterator[Volume]:
    """All of a pod of `unit`.

    Raises FreeholdError `kubernetes_unreachable` for a model that no pod would find, `kubernetes_no_claim` and
    `kubernetes_unclaimed` for a path that no claim has.
    """
    _require_reachable(unit)
    yield from _files(unit)
    if mounted := [secret for secret in unit.secrets if not secret.variable]:
        sources = [
            {"secret": {"name": secret_of(secret), "items": [{"key": SECRET_KEY, "path": secret.name}]}}
            for secret in mounted
        ]
        volume = {"name": "secrets", "projected": {"sources": sources, "defaultMode": READABLE_BY_GROUP}}
        yield _seen(volume, SECRETS, readOnly=True)
    if models := _models(deployment.settings.storage, unit):
        yield models
    yield _seen({"name": "tmp", "emptyDir": {"sizeLimit": _SCRATCH}}, "/tmp")  # noqa: S108
    if unit.role in _OURS:
        yield _seen({"name": "data", "emptyDir": {}}, DATA)
    if unit.role not in _OURS:
        memory = {"medium": "Memory", "sizeLimit": f"{unit.shm_mb}Mi"}
        yield _seen({"name": "shm", "emptyDir": memory}, "/dev/shm")  # noqa: S108
    pull_secrets = deployment.settings.pull_secrets
    if unit.pulls and pull_secrets:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        secret = {"secretName": pull_secrets[0], "items": items, "defaultMode": READABLE_BY_GROUP}
        yield _seen({"name": LOGIN, "secret": secret}, REGISTRY, readOnly=True)


def _require_reachable(unit: Unit) -> None:
    """A server of another image may bring its own model; ours and vLLM must find one on a volume, or pull it."""
    pulled = {pull.name for pull in unit.pulls}
    for model in unit.models if unit.role in ("models", "vllm") else ():
        source = model.parsed_source
        if source.kind != "path" and source.name not in pulled:
            raise FreeholdError("kubernetes_unreachable", model=model.id, source=model.source)


def _files(unit: Unit) -> Iterator[Volume]:
    """By folder, since a single file that is mounted never changes; only a folder follows its ConfigMap."""
    folders = dict.fromkeys(posixpath.dirname(path) for path in unit.files)
    for number, folder in enumerate(folders):
        items = [
            {"key": config_key(path), "path": posixpath.basename(path)}
            for path in unit.files
            if posixpath.dirname(path) == folder
        ]
        name = f"files-{number}" if number else "files"
        yield _seen({"name": name, "configMap": {"name": service_of(unit), "items": items}}, folder, readOnly=True)


def _models(storage: Storage, unit: Unit) -> Volume | None:
    """The claim, of which a pod sees the folders of its own models and no others'."""
    mounts = tuple(_below(storage, unit, mount) for mount in unit.mounts)
    if not mounts:
        return None
    claim = {"claimName": storage.claim, "readOnly": True}
    return Volume({"name": "models", "persistentVolumeClaim": claim}, mounts)


def _below(storage: Storage, unit: Unit, mount: Mount) -> Tree:
    if storage.claim is None:
        raise FreeholdError("kubernetes_no_claim", service=unit.name, source=mount.source)
    root = posixpath.normpath(storage.path)
    source = posixpath.normpath(mount.source)
    tree: Tree = {"name": "models", "mountPath": mount.target, "readOnly": True}
    if source == root:
        return tree
    if posixpath.commonpath([root, source]) != root:
        raise FreeholdError("kubernetes_unclaimed", service=unit.name, source=mount.source, path=root)
    return tree | {"subPath": posixpath.relpath(source, root)}


def _seen(volume: Tree, path: str, **more: bool) -> Volume:
    return Volume(volume, ({"name": volume["name"], "mountPath": path, **more},))
