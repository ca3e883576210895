"""Facts of a Kubernetes cluster, by kubectl where it is there and knows one; each call has its limit of time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List

from freehold.deploy.doctor.reading import Reader, UnreadableError, output_of

CALL_S = 8.0
WITHIN = "--request-timeout=5s"
POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path, by which kubectl works in a pod
ASKED = (
    ("create", "namespaces"),
    ("create", "deployments.apps"),
    ("create", "services"),
    ("create", "secrets"),
    ("create", "ingresses.networking.k8s.io"),
    ("create", "networkpolicies.networking.k8s.io"),
    ("create", "roles.rbac.authorization.k8s.io"),
)
"""What a deployment does: (verb, resource)."""
DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"

Named = List[Dict[str, Any]]


def version() -> dict[str, str]:
    """`{server, context}`. Raises UnreadableError where no cluster answers."""
    document = _json("version", "-o", "json")
    server = document.get("serverVersion")
    if not isinstance(server, dict) or not server.get("gitVersion"):
        raise UnreadableError("kubectl version names no server")
    return {"server": str(server["gitVersion"]), "context": _kubectl("config", "current-context").strip()}


def storage() -> Named:
    """`[{name, default, provisioner}]`."""
    return [
        {
            "name": _name(item),
            "default": _annotation(item, DEFAULT_STORAGE) == "true",
            "provisioner": str(item.get("provisioner", "")),
        }
        for item in _items("storageclasses")
    ]


def ingress() -> Named:
    """`[{name, default, controller}]`."""
    return [
        {
            "name": _name(item),
            "default": _annotation(item, DEFAULT_INGRESS) == "true",
            "controller": str((item.get("spec") or {}).get("controller", "")),
        }
        for item in _items("ingressclasses")
    ]


def apis() -> list[str]:
    """The API groups that the cluster serves, with their versions: "cert-manager.io/v1"."""
    return sorted(_kubectl("api-versions", WITHIN).split())


def nodes() -> Named:
    """`[{name, ready, architecture, runtime, allocatable}]`, allocatable by resource as Kubernetes writes it."""
    found = []
    for item in _items("nodes"):
        status = item.get("status") or {}
        info = status.get("nodeInfo") or {}
        conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
        allocatable = {str(name): str(value) for name, value in (status.get("allocatable") or {}).items()}
        found.append(
            {
                "name": _name(item),
                "ready": conditions.get("Ready") == "True",
                "architecture": str(info.get("architecture", "")),
                "runtime": str(info.get("containerRuntimeVersion", "")),
                "allocatable": allocatable,
            }
        )
    return found


def permissions() -> Named:
    """`[{verb, resource, allowed}]` for each of `ASKED`."""
    return [{"verb": verb, "resource": resource, "allowed": _may(verb, resource)} for verb, resource in ASKED]


def _may(verb: str, resource: str) -> bool:
    """`kubectl auth can-i` says "no" on its output and exits with 1."""
    try:
        return _kubectl("auth", "can-i", verb, resource, WITHIN).strip().startswith("yes")
    except UnreadableError as error:
        if str(error).endswith(": no"):
            return False
        raise


def _items(resource: str) -> Named:
    items = _json("get", resource, "-o", "json", WITHIN).get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _json(*words: str) -> dict[str, Any]:
    """Raises UnreadableError, also where what was printed is no JSON object."""
    try:
        document = json.loads(_kubectl(*words))
    except ValueError:
        raise UnreadableError(f"kubectl {words[0]} printed no JSON") from None
    if not isinstance(document, dict):
        raise UnreadableError(f"kubectl {words[0]} printed no object")
    return document


def _kubectl(*words: str) -> str:
    """Without a configuration kubectl would ask localhost:8080, and seven times in vain."""
    if not any(Path(path).exists() for path in (*_configurations(), POD_TOKEN)):
        raise UnreadableError("no kubeconfig")
    return output_of(["kubectl", *words], CALL_S)


def _configurations() -> list[str]:
    """Where kubectl looks for its configuration."""
    named = [path for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return named or [f"{os.environ.get('HOME', '')}/.kube/config"]


def _name(item: dict[str, Any]) -> str:
    return str((item.get("metadata") or {}).get("name", ""))


def _annotation(item: dict[str, Any], name: str) -> str:
    return str(((item.get("metadata") or {}).get("annotations") or {}).get(name, ""))


READERS: dict[str, Reader] = {
    "cluster": version,
    "cluster_storage": storage,
    "cluster_ingress": ingress,
    "cluster_apis": apis,
    "cluster_nodes": nodes,
    "cluster_permissions": permissions,
}
