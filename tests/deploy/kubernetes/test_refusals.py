"""What an API server refuses, in our words."""

from typing import Any

import httpx2
import pytest
from lightkube.models.meta_v1 import Status

from freehold.deploy.kubernetes.refusals import Errand, admission, refusal, refused
from freehold.errors import FreeholdError

ERRAND = Errand("patch", "Deployment", "bge-1", "team", "prod (https://10.0.0.1:6443)")
RBAC = 'deployments.apps "bge-1" is forbidden: User "jane" cannot patch resource "deployments" in API group "apps"'
UNTYPED = "failed to create typed patch object (team/bge-1; apps/v1, Kind=Deployment): "
QUOTA = "exceeded quota: compute, requested: limits.memory=4Gi, used: limits.memory=30Gi, limited: limits.memory=32Gi"
WEBHOOK = 'failed to call webhook: Post "https://kyverno.svc:443/validate": context deadline exceeded'


def status(code: int, reason: str, message: str, **details: Any) -> Status:
    """A Status as the API server sends it."""
    body = {"code": code, "reason": reason, "message": message, "details": details or None}
    return Status.from_dict({key: value for key, value in body.items() if value})


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (status(401, "Unauthorized", "Unauthorized"), "cluster_unauthorized", ["prod (https://10.0.0.1:6443)"]),
        (
            status(403, "Forbidden", f'{RBAC} in the namespace "team"'),
            "cluster_forbidden",
            [
                "jane may not patch deployments in namespace team",
                '{apiGroups: ["apps"], resources: ["deployments"]',
                "Role",
            ],
        ),
        (
            status(403, "Forbidden", f"{RBAC} at the cluster scope"),
            "cluster_forbidden",
            ["in the whole cluster", "to a ClusterRole"],
        ),
        (status(403, "Forbidden", f'pods "x" is forbidden: {QUOTA}'), "cluster_quota", ["used: limits.memory=30Gi"]),
        (
            status(
                403,
                "Forbidden",
                'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            ),
            "cluster_pod_security",
            ["restricted:latest", "runAsNonRoot != true"],
        ),
        (status(403, "Forbidden", "namespace is being terminated"), "cluster_refused", ["403", "being terminated"]),
        (
            status(404, "NotFound", 'namespaces "team" not found', name="team", kind="namespaces"),
            "cluster_namespace_missing",
            ["no namespace team", "kubectl create namespace team"],
        ),
        (
            status(404, "NotFound", 'deployments.apps "bge-1" not found', name="bge-1", kind="deployments"),
            "cluster_absent",
            ["no Deployment/bge-1"],
        ),
        (
            status(404, "NotFound", "the server could not find the requested resource"),
            "cluster_kind_missing",
            ["Deployment"],
        ),
        (
            status(
                409,
                "Conflict",
                "Apply failed with 2 conflicts",
                causes=[
                    {"reason": "FieldManagerConflict", "message": 'conflict with "keda" using apps/v1', "field": ".a"},
                    {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl" using v1', "field": ".b"},
                ],
            ),
            "cluster_conflict",
            ["Deployment/bge-1", ".a (keda), .b (kubectl)", "Let keda, kubectl leave", "--force"],
        ),
        (status(409, "Conflict", "the object has been modified"), "cluster_changed", ["has been modified"]),
        (
            status(
                422,
                "Invalid",
                'Deployment.apps "bge-1" is invalid',
                causes=[{"reason": "FieldValueInvalid", "message": "field is immutable", "field": "spec.selector"}],
            ),
            "cluster_invalid",
            ["spec.selector: field is immutable"],
        ),
        (status(500, "", f"{UNTYPED}.spec.foo: field not declared in schema"), "cluster_field_unknown", [".spec.foo"]),
        (
            status(
                500,
                "",
                f"{UNTYPED}errors:\n  .spec.a: field not declared in schema\n  .spec.b: expected numeric, got string",
            ),
            "cluster_field_unknown",
            [".spec.a: field not declared", ".spec.b: expected numeric"],
        ),
        (
            status(400, "BadRequest", 'strict decoding error: unknown field "spec.foo"'),
            "cluster_field_unknown",
            ["spec.foo"],
        ),
        (
            status(400, "", 'admission webhook "images.corp" denied the request: only harbor.corp images\n'),
            "cluster_webhook_denied",
            ["images.corp", "only harbor.corp images."],
        ),
        (
            status(500, "InternalError", f'Internal error occurred: failed calling webhook "kyverno": {WEBHOOK}'),
            "cluster_webhook_silent",
            ["kyverno", "context deadline exceeded"],
        ),
        (status(429, "TooManyRequests", "try again later"), "cluster_busy", ["try again later"]),
        (status(503, "ServiceUnavailable", ""), "cluster_busy", ["503"]),
        (status(500, "InternalError", "etcdserver: request timed out"), "cluster_refused", ["etcdserver"]),
    ],
)
def test_each_refusal_has_its_code_and_the_words_that_help(found: Status, code: str, words: list[str]) -> None:
    """What is wrong, where, and what to do: with the values that the API server tells."""
    error = refused(found, ERRAND)
    assert error.code == code
    told = f"{error.cause} {error.fix}"
    assert [word for word in words if word not in told] == []


def request_error(error: httpx2.RequestError) -> FreeholdError:
    """As `refusal` tells it."""
    return refusal(error, ERRAND)


def test_a_server_that_is_not_there_is_told_from_one_that_is_not_trusted() -> None:
    """Both name the context and its address."""
    silent = request_error(httpx2.ConnectError("[Errno 111] Connection refused"))
    assert (silent.code, "Connection refused" in silent.cause) == ("cluster_unreachable", True)
    other = request_error(httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))
    assert (other.code, "self-signed" in other.cause) == ("cluster_distrusted", True)
    assert "prod (https://10.0.0.1:6443)" in silent.cause
    assert "prod (https://10.0.0.1:6443)" in other.cause


def test_a_path_that_is_not_there_is_a_kind_that_is_not_there() -> None:
    """The API server answers it with plain text; whatever else does so is told by its status."""
    asked = httpx2.Request("PATCH", "https://10.0.0.1:6443/apis/monitoring.coreos.com/v1/servicemonitors/x")
    missing = httpx2.HTTPStatusError("404", request=asked, response=httpx2.Response(404, request=asked))
    assert refusal(missing, ERRAND).code == "cluster_kind_missing"
    gateway = httpx2.HTTPStatusError("502", request=asked, response=httpx2.Response(502, request=asked))
    error = refusal(gateway, ERRAND)
    assert error.code == "cluster_refused"
    assert "502" in error.cause


def test_admission_says_nothing_of_what_it_does_not_know() -> None:
    """Other words are left to others."""
    assert admission("etcdserver: request timed out", "x") is None
