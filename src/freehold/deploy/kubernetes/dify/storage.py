"""What a service reads and keeps: files of its configuration, claims, and room that ends with its pods."""

import posixpath
from collections import Counter
from collections.abc import Iterator

from freehold.deploy.kubernetes.dify.naming import host_of, of_dify
from freehold.deploy.kubernetes.naming import SECRET_KEY, Tree, config_key, secret_of
from freehold.deploy.kubernetes.volumes import READABLE_BY_GROUP, Volume
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation, Service


def files_name(service: Service) -> str:
    """The ConfigMap with its files."""
    return f"{host_of(service.name)}-files"


def claims(deployment: Deployment, dify: Installation) -> Iterator[Tree]:
    """One claim a volume. What several services or copies write to at once needs a storage class that shares it
    (NFS, CephFS, a cloud's file service), as the class of `deploy.storage` does; all else is a disk of one node."""
    shared = shared_volumes(dify)
    settings, config = deployment.settings, deployment.config.dify
    for name, size_gb in _sizes(dify).items():
        is_shared = name in shared
        spec: Tree = {
            "accessModes": ["ReadWriteMany" if is_shared else "ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{size_gb}Gi"}},
        }
        storage_class = settings.storage.storage_class if is_shared else config and config.storage_class
        if storage_class is not None:
            spec["storageClassName"] = storage_class
        yield of_dify(deployment, dify, "v1", "PersistentVolumeClaim", host_of(name), spec=spec)


def shared_volumes(dify: Installation) -> tuple[str, ...]:
    """The names of volumes that several pods have at once."""
    pods = Counter[str]()
    for service in dify.services:
        for name in {volume.name for volume in service.volumes}:
            pods[name] += 2 if service.scale == "many" else 1
    return tuple(name for name, count in pods.items() if count > 1)


def volumes(service: Service) -> Iterator[Volume]:
    """All of a pod of `service`."""
    by_name: dict[str, list[Tree]] = {}
    for volume in service.volumes:
        by_name.setdefault(volume.name, []).append({"name": volume.name, "mountPath": volume.path})
    for name, mounts in by_name.items():
        yield Volume({"name": name, "persistentVolumeClaim": {"claimName": host_of(name)}}, tuple(mounts))
    if service.files:
        items = [{"key": config_key(path), "path": config_key(path)} for path in sorted(service.files)]
        listed = {"name": "files", "configMap": {"name": files_name(service), "items": items}}
        # one by one, since their folders have more in the image; whatever changes makes the pods anew
        yield Volume(listed, tuple(_file("files", path, config_key(path)) for path in sorted(service.files)))
    for number, (path, secret) in enumerate(sorted(service.secret_files.items())):
        name, items = f"secret-{number}", [{"key": SECRET_KEY, "path": SECRET_KEY}]
        source = {"secretName": secret_of(secret), "items": items, "defaultMode": READABLE_BY_GROUP}
        yield Volume({"name": name, "secret": source}, (_file(name, path, SECRET_KEY),))
    for number, path in enumerate(service.writable):
        name = f"writable-{number}"
        yield Volume({"name": name, "emptyDir": {}}, ({"name": name, "mountPath": posixpath.normpath(path)},))


def _sizes(dify: Installation) -> dict[str, int]:
    return {volume.name: volume.size_gb for service in dify.services for volume in service.volumes}


def _file(volume: str, path: str, key: str) -> Tree:
    return {"name": volume, "mountPath": path, "subPath": key, "readOnly": True}
