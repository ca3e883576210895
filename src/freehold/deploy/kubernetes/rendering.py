"""A deployment as files for GitOps: `kubectl apply --kustomize DIR`, or any tool that reads a kustomization.

Pure: the same deployment gives the same bytes. A unit's file is called by its name, not by its version, so that a
change shows as a difference of one file.
"""

from collections.abc import Mapping

from freehold.deploy.kubernetes.dify.notes import dify_readme
from freehold.deploy.kubernetes.dify.objects import dify_of, files_of
from freehold.deploy.kubernetes.naming import Tree
from freehold.deploy.kubernetes.notes import readme
from freehold.deploy.kubernetes.objects import objects_of, shared
from freehold.deploy.kubernetes.scaling import adapter_rules
from freehold.deploy.kubernetes.storage import loader
from freehold.deploy.kubernetes.tenancy import foundation
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.yaml_text import as_yaml

ADAPTER = "prometheus-adapter.yaml"
LOADER = "model-loader.yaml"
DIFY_README = "dify/README.md"

_HEADER = "# Made by `freehold render kubernetes`: change freehold.yaml and render again.\n"
_FILES = {
    "NetworkPolicy": "network.yaml",
    "PersistentVolumeClaim": "storage.yaml",
    "Ingress": "ingress.yaml",
    "Middleware": "ingress.yaml",
    "ServiceMonitor": "monitoring.yaml",
}


def render(deployment: Deployment) -> Mapping[str, str]:
    """Every file by its path below the folder. Raises what `objects` raises."""
    dify = dify_of(deployment)
    resources: dict[str, list[Tree]] = {"namespace.yaml": list(foundation(deployment))}
    for tree in shared(deployment):
        resources.setdefault(_FILES[tree["kind"]], []).append(tree)
    resources["gateway.yaml"] = list(objects_of(deployment, deployment.gateway))
    for unit in deployment.units:
        resources[f"models/{unit.name}.yaml"] = list(objects_of(deployment, unit))
    if dify is not None:
        resources |= files_of(deployment, dify)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(resources),
    }
    files = {"kustomization.yaml": _HEADER + as_yaml(kustomization)}
    files |= {path: _HEADER + as_yaml(*trees) for path, trees in resources.items()}
    if rules := adapter_rules(deployment):
        files[ADAPTER] = rules
    for pod in loader(deployment):
        files[LOADER] = _HEADER + as_yaml(pod)
    if dify is not None:
        files[DIFY_README] = dify_readme(deployment, dify)
    return files | {"README.md": readme(deployment)}
