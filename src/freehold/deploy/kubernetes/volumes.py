"""What a pod reads and writes: its configuration, its secrets, model files, and room that ends with it."""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from freehold.config.deploying import Storage
from freehold.deploy.kubernetes.naming import SECRET_KEY, Tree, config_key, secret_of, service_of
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.model_places import HOME
from freehold.deploy.services.secret_files import FOLDER as SECRETS
from freehold.deploy.services.units import Mount, SecretFile, Unit
from freehold.errors import FreeholdError

REGISTRY = "/run/registry"
"""DOCKER_CONFIG of what pulls."""
AUTHORITY = "/run/authority/ca.pem"
"""SSL_CERT_FILE of what pulls, where the configuration has a `network.ca`."""

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
    if unit.secrets:
        sources = [
            {"secret": {"name": secret_of(secret), "items": [{"key": SECRET_KEY, "path": secret.name}]}}
            for secret in unit.secrets
        ]
        volume = {"name": "secrets", "projected": {"sources": sources, "defaultMode": READABLE_BY_GROUP}}
        yield _seen(volume, SECRETS, readOnly=True)
    if models := _models(deployment.settings.storage, unit):
        yield models
    yield _seen({"name": "tmp", "emptyDir": {"sizeLimit": _SCRATCH}}, "/tmp")  # noqa: S108 - of its own pod
    if unit.role in _OURS:
        yield _seen({"name": "data", "emptyDir": {}}, HOME)
    else:
        memory = {"medium": "Memory", "sizeLimit": f"{unit.shm_mb}Mi"}
        yield _seen({"name": "shm", "emptyDir": memory}, "/dev/shm")  # noqa: S108 - of its own pod


def pull_volumes(deployment: Deployment, unit: Unit) -> Iterator[Volume]:
    """What only those containers of a pod see that pull: the login at the registry, by the first of the pull secrets,
    and the authority by whose word the registry is trusted."""
    if unit.pulls and deployment.settings.pull_secrets:
        yield _secret("login", deployment.settings.pull_secrets[0], ".dockerconfigjson", f"{REGISTRY}/config.json")
    if unit.pulls and (authority := authority_of(deployment)):
        yield _secret("authority", secret_of(authority), SECRET_KEY, AUTHORITY)


def authority_of(deployment: Deployment) -> SecretFile | None:
    """The secret with the certificates of `network.ca`, which the gateway has too."""
    origin = f"${{file:{deployment.config.network.ca}}}"
    return next((secret for secret in deployment.gateway.secrets if secret.origin == origin), None)


def _require_reachable(unit: Unit) -> None:
    """A server of another image may bring its own model; vLLM finds one on a volume, ours there or by a pull."""
    pulled = {pull.name for pull in unit.pulls}
    for model in unit.models if unit.role in ("models", "vllm") else ():
        source = model.parsed_source
        if source.kind != "path" and (unit.role == "vllm" or source.name not in pulled):
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


def _secret(name: str, secret: str, key: str, path: str) -> Volume:
    """One key of a Secret as the file `path`."""
    items = [{"key": key, "path": posixpath.basename(path)}]
    volume = {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": READABLE_BY_GROUP}}
    return _seen(volume, posixpath.dirname(path), readOnly=True)


def _seen(volume: Tree, path: str, **more: bool) -> Volume:
    return Volume(volume, ({"name": volume["name"], "mountPath": path, **more},))
