"""What an API server refuses, in our words. Pure: an answer and what was asked become an error.

The words that are looked for are those of Kubernetes 1.22 to 1.36; what is not known is passed on as it was said.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import httpx2
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import Status, StatusCause

from freehold.errors import FreeholdError
from freehold.store.http_client import is_distrust, unreachable_because

_RBAC = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_UNTYPED = re.compile(r"(\.\S+): (field not declared in schema|expected [^\n]*)")
_UNKNOWN = re.compile(r'unknown field "([^"]*)"')
_DENIED = re.compile(r'admission webhook "([^"]*)" denied the request:? ?(.*)', re.DOTALL)
_SILENT = re.compile(r'failed calling webhook "([^"]*)": (.*)', re.DOTALL)
_QUOTA = re.compile(r"exceeded quota: (.*)", re.DOTALL)
_POD_SECURITY = re.compile(r'violates PodSecurity "([^"]*)": (.*)', re.DOTALL)
_MANAGER = re.compile(r'conflict with "([^"]*)"')


@dataclass(frozen=True)
class Errand:
    """What was asked of the API server: `kind` and `name` of the object, and where."""

    verb: str
    kind: str
    name: str
    namespace: str
    place: str

    @property
    def object(self) -> str:
        """`Deployment/NAME`."""
        return f"{self.kind}/{self.name}" if self.name else self.kind


def refusal(error: httpx2.HTTPError, errand: Errand) -> FreeholdError:
    """Why a request failed: it did not arrive, or was answered by a refusal."""
    if isinstance(error, ApiError):
        return refused(error.status, errand)
    if isinstance(error, httpx2.HTTPStatusError):
        code = error.response.status_code
        if code == httpx2.codes.NOT_FOUND:  # a path that is not there is no Status but plain text
            return FreeholdError("cluster_kind_missing", kind=errand.kind, place=errand.place)
        return _as_it_is(Status(code=code, message=error.response.reason_phrase), errand)
    assert isinstance(error, httpx2.RequestError), "httpx2 has no other errors"
    if is_distrust(error):
        return FreeholdError("cluster_distrusted", place=errand.place, reason=unreachable_because(error))
    return FreeholdError("cluster_unreachable", place=errand.place, reason=unreachable_because(error))


def refused(status: Status, errand: Errand) -> FreeholdError:
    """Why the API server said no."""
    by_code: dict[int, Callable[[Status, Errand], FreeholdError | None]] = {
        401: _unauthorized,
        403: _forbidden,
        404: _not_found,
        409: _conflict,
        422: _invalid,
        429: _busy,
        503: _busy,
        504: _busy,
    }
    by_its_code = by_code.get(status.code or 0)
    return (
        admission(status.message or "", errand.object)
        or (by_its_code(status, errand) if by_its_code is not None else None)
        or _unknown_field(status, errand)
        or _as_it_is(status, errand)
    )


def admission(words: str, about: str) -> FreeholdError | None:
    """What admission refuses, at the request or later when pods are made: quotas, PodSecurity, webhooks; else None."""
    if found := _QUOTA.search(words):
        return FreeholdError("cluster_quota", object=about, words=_line(found[1]))
    if found := _POD_SECURITY.search(words):
        return FreeholdError("cluster_pod_security", object=about, level=found[1], words=_line(found[2]))
    if found := _DENIED.search(words):
        return FreeholdError("cluster_webhook_denied", object=about, webhook=found[1], words=_line(found[2]))
    if found := _SILENT.search(words):
        return FreeholdError("cluster_webhook_silent", object=about, webhook=found[1], words=_line(found[2]))
    return None


def _unauthorized(status: Status, errand: Errand) -> FreeholdError:
    return FreeholdError("cluster_unauthorized", place=errand.place)


def _forbidden(status: Status, errand: Errand) -> FreeholdError | None:
    """RBAC names user, verb and resource; a quota or PodSecurity refuses with the same status."""
    found = _RBAC.search(status.message or "")
    if found is None:
        return None
    verb, resource = found["verb"], found["resource"]
    rule = f'{{apiGroups: ["{found["group"]}"], resources: ["{resource}"], verbs: ["{verb}"]}}'
    where = f"namespace {found['namespace']}" if found["namespace"] else "the whole cluster"
    kind = "Role" if found["namespace"] else "ClusterRole"
    return FreeholdError(
        "cluster_forbidden", user=found["user"], verb=verb, resource=resource, where=where, kind=kind, rule=rule
    )


def _not_found(status: Status, errand: Errand) -> FreeholdError:
    details = status.details
    if details is None or not details.name:
        return FreeholdError("cluster_kind_missing", kind=errand.kind, place=errand.place)
    if details.kind == "namespaces":
        return FreeholdError("cluster_namespace_missing", namespace=details.name, place=errand.place)
    return FreeholdError("cluster_absent", object=errand.object, namespace=errand.namespace)


def _conflict(status: Status, errand: Errand) -> FreeholdError:
    """Fields of other managers, or another version than the one that was changed."""
    causes = [one for one in _causes(status) if one.reason == "FieldManagerConflict"]
    if not causes:
        return FreeholdError("cluster_changed", object=errand.object, words=_line(status.message or ""))
    fields = [f"{one.field} ({_manager(one)})" for one in causes]
    managers = dict.fromkeys(map(_manager, causes))
    return FreeholdError(
        "cluster_conflict", object=errand.object, fields=", ".join(fields), managers=", ".join(managers)
    )


def _invalid(status: Status, errand: Errand) -> FreeholdError:
    told = [f"{one.field}: {_line(one.message or '')}" for one in _causes(status)]
    return FreeholdError("cluster_invalid", object=errand.object, words="; ".join(told) or _line(status.message or ""))


def _busy(status: Status, errand: Errand) -> FreeholdError:
    return FreeholdError("cluster_busy", place=errand.place, words=_line(status.message or "") or str(status.code))


def _unknown_field(status: Status, errand: Errand) -> FreeholdError | None:
    """A field that this version of the cluster does not have: 500 without a reason from server-side apply, 400 else."""
    words = status.message or ""
    found = [f"{path}: {why}" for path, why in _UNTYPED.findall(words)] or _UNKNOWN.findall(words)
    return FreeholdError("cluster_field_unknown", object=errand.object, fields=", ".join(found)) if found else None


def _as_it_is(status: Status, errand: Errand) -> FreeholdError:
    return FreeholdError(
        "cluster_refused",
        object=errand.object,
        verb=errand.verb,
        status=status.code or "?",
        words=_line(status.message or status.reason or "-"),
    )


def _causes(status: Status) -> list[StatusCause]:
    return (status.details.causes if status.details is not None else None) or []


def _manager(cause: StatusCause) -> str:
    found = _MANAGER.search(cause.message or "")
    return found[1] if found else "?"


def _line(words: str) -> str:
    return " ".join(words.split())
