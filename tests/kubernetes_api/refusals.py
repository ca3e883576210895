"""How the API server says no: a Status with the words, the reason and the details of the real one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes_api.fields import Conflict
from tests.kubernetes_api.schemas import Fault, dotted


@dataclass
class RefusalError(Exception):
    """One answer that is no success. `reason` "" is what plain errors of the real server have."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    retry_after_s: int | None = None

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return {**body, "code": self.code}


@dataclass(frozen=True)
class Resource:
    """A kind as requests name it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` of the group without a name."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def forbidden(resource: Resource, verb: str, user: str, namespace: str, name: str, sub: str = "") -> RefusalError:
    """RBAC allows the user no such thing."""
    what = f"{resource.plural}/{sub}" if sub else resource.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    named = f'{resource.qualified} "{name}"' if name else resource.qualified
    words = (
        f'{named} is forbidden: User "{user}" cannot {verb} resource "{what}" in API group "{resource.group}" {where}'
    )
    return RefusalError(403, "Forbidden", words, _details(resource, name))


def denied(resource: Resource, name: str, words: str) -> RefusalError:
    """Admission refuses: a quota, PodSecurity."""
    named = f'{resource.qualified} "{name}" is forbidden: {words}'
    return RefusalError(403, "Forbidden", named, _details(resource, name))


def not_found(resource: Resource, name: str) -> RefusalError:
    """There is no object of that name."""
    return RefusalError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def exists(resource: Resource, name: str) -> RefusalError:
    """It was to be created and is there."""
    return RefusalError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def outdated(resource: Resource, name: str) -> RefusalError:
    """An update of a version that is no longer the newest."""
    words = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return RefusalError(409, "Conflict", words, _details(resource, name))


def contested(resource: Resource, found: Sequence[Conflict]) -> RefusalError:
    """Fields that another manager owns, in the words of server-side apply."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{one.manager}" using {resource.api_version}',
            "field": dotted(one.path),
        }
        for one in found
    ]
    by_manager: dict[str, list[str]] = {}
    for one in found:
        by_manager.setdefault(one.manager, []).append(dotted(one.path))
    told = []
    for manager, paths in by_manager.items():
        head = f'with "{manager}" using {resource.api_version}:'
        told.append(f"conflict {head} {paths[0]}" if len(paths) == 1 else "\n- ".join([f"conflicts {head}", *paths]))
    count = f"{len(found)} conflict{'s' if len(found) > 1 else ''}"
    return RefusalError(409, "Conflict", f"Apply failed with {count}: " + "\n".join(told), {"causes": causes})


def untyped(resource: Resource, namespace: str, name: str, found: Sequence[Fault]) -> RefusalError:
    """A field that the schema does not know: the real server answers 500 without a reason."""
    where = f"{namespace}/{name}" if namespace else f"/{name}"
    head = f"failed to create typed patch object ({where}; {resource.api_version}, Kind={resource.kind})"
    if len(found) == 1:
        return RefusalError(500, "", f"{head}: {dotted(found[0].path)}: {found[0].words}")
    rows = "\n".join(f"  {dotted(one.path)}: {one.words}" for one in found)
    return RefusalError(500, "", f"{head}: errors:\n{rows}")


def invalid(resource: Resource, name: str, found: Sequence[tuple[str, str, str]]) -> RefusalError:
    """What validation says: for each field (path, reason, words)."""
    rows = [f"{path}: {words}" for path, _, words in found]
    told = rows[0] if len(rows) == 1 else f"[{', '.join(rows)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    causes = [{"reason": reason, "message": words, "field": path} for path, reason, words in found]
    details = {"name": name, "group": resource.group, "kind": resource.kind, "causes": causes}
    return RefusalError(422, "Invalid", f'{kind} "{name}" is invalid: {told}', details)


def unauthorized() -> RefusalError:
    """No credentials, or wrong ones."""
    return RefusalError(401, "Unauthorized", "Unauthorized")


def gone(version: int, oldest: int) -> RefusalError:
    """A watch from a version that the server no longer has."""
    return RefusalError(410, "Expired", f"too old resource version: {version} ({oldest})")


def busy() -> RefusalError:
    """More requests than the server takes now."""
    words = "the server has received too many requests and has asked us to try again later"
    return RefusalError(429, "TooManyRequests", words, {"retryAfterSeconds": 1}, retry_after_s=1)


def _details(resource: Resource, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}
