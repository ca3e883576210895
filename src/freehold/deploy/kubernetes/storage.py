"""The claim for model files, and the pod by which they come there."""

from collections.abc import Iterator

from freehold.config.deploying import Storage
from freehold.deploy.kubernetes.naming import Tree, of_deployment
from freehold.deploy.kubernetes.pods import identity
from freehold.deploy.services.deployment import Deployment

LOADER = "model-loader"


def claim(deployment: Deployment) -> Iterator[Tree]:
    """The claim, where the configuration gives its size: else it is there already.

    Many nodes mount it at once, so its storage class must offer ReadWriteMany (NFS, CephFS, a cloud's file service).
    """
    storage = deployment.settings.storage
    if storage.claim is None or not is_made(storage):
        return
    spec: Tree = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": f"{storage.size_gb}Gi"}},
    }
    if storage.storage_class is not None:
        spec["storageClassName"] = storage.storage_class
    yield of_deployment(deployment, "v1", "PersistentVolumeClaim", storage.claim, spec=spec)


def is_made(storage: Storage) -> bool:
    """Whether the claim is ours to make."""
    return storage.claim is not None and storage.size_gb is not None


def loader(deployment: Deployment) -> Iterator[Tree]:
    """A pod with a claim of ours mounted to be written, for `kubectl cp`; it ends by itself after an hour."""
    storage = deployment.settings.storage
    if not is_made(storage):
        return
    container = {
        "name": "loader",
        "image": deployment.gateway.image,
        "command": ["sleep", "3600"],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "models", "mountPath": storage.path}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    volume = {"name": "models", "persistentVolumeClaim": {"claimName": storage.claim}}
    spec = identity(deployment) | {"containers": [container], "volumes": [volume], "restartPolicy": "Never"}
    yield of_deployment(deployment, "v1", "Pod", LOADER, spec=spec)
