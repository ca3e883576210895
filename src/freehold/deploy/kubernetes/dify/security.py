"""What pods of a Dify may do: PodSecurity `restricted` wherever an image runs as a user of its own.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from typing import Literal

from freehold.deploy.kubernetes.naming import Tree
from freehold.deploy.topology.service import Installation, Service

Standard = Literal["restricted", "baseline", "privileged"]
STANDARDS: tuple[Standard, ...] = ("restricted", "baseline", "privileged")
"""From the narrowest on."""

_RESTRICTED = frozenset({"NET_BIND_SERVICE"})
_BASELINE = _RESTRICTED | {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}


def standard_of(service: Service) -> Standard:
    """The narrowest standard that lets its pods in."""
    wanted = frozenset(service.capabilities)
    if not wanted <= _BASELINE:
        return "privileged"
    return "restricted" if wanted <= _RESTRICTED and _user(service) else "baseline"


def standard(dify: Installation) -> Standard:
    """The narrowest that lets all pods in, which their namespace must allow."""
    return max(map(standard_of, dify.services), key=STANDARDS.index, default="restricted")


def pod_security(service: Service) -> Tree:
    """Of a pod: who it is. One without a user of ours is what its image says, root mostly."""
    profile = {"seccompProfile": {"type": "RuntimeDefault"}}
    user, group = _user(service), _group(service)
    if not user:
        return profile
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch",
        **profile,
    }


def container_security(service: Service) -> Tree:
    """Of its containers: no more rights than it begins with, and of these only those that it needs."""
    kept = {"add": sorted(service.capabilities)} if service.capabilities else {}
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": service.read_only,
        "capabilities": {"drop": ["ALL"], **kept},
    }


def _user(service: Service) -> int:
    """0 for root, and for what only the image knows."""
    return int(service.user.partition(":")[0] or 0)


def _group(service: Service) -> int:
    return int(service.user.partition(":")[2] or _user(service))
