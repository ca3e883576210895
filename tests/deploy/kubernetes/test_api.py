"""The calls to an API server, against one over real HTTP."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod

from freehold.deploy.kubernetes.api import TRIES, Api, ExpiredError, resource_of
from freehold.deploy.kubernetes.connection import connect
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE, kubeconfig, reached
from tests.kubernetes_api import refusals
from tests.kubernetes_api.backend import backend
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.refusals import RefusalError
from tests.kubernetes_api.requests import Answer, Listener, Request
from tests.kubernetes_api.server import ApiServer


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(NAMESPACES, "", NAMESPACE)


def config_map(**data: str) -> dict[str, Any]:
    """A small object."""
    meta = {"name": "gateway", "namespace": NAMESPACE, "labels": {"a": "b"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def deployment(**spec: Any) -> dict[str, Any]:
    """A Deployment with one container."""
    container = {"name": "server", "image": "i:1", "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    base = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    meta = {"name": "bge", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {**base, **spec}}


def refused(code: str, call: Callable[[], object]) -> FreeholdError:
    """The error that `call` ends with."""
    with pytest.raises(FreeholdError) as caught:
        call()
    assert caught.value.code == code
    return caught.value


def test_what_is_applied_is_so_and_what_is_no_longer_applied_goes(server: ApiServer, api: Api) -> None:
    """Fields that others added stay."""
    api.apply(config_map(one="1", two="2"))
    api.merge(ConfigMap, "gateway", {"data": {"theirs": "3"}})
    api.apply(config_map(one="1"))
    found = server.object("ConfigMap", "gateway", NAMESPACE)
    assert found is not None
    assert found["data"] == {"one": "1", "theirs": "3"}


def test_a_field_that_the_cluster_does_not_know_is_refused(server: ApiServer, api: Api) -> None:
    """It reaches the API server, as an unknown field of a typed model would not; nothing is changed."""
    error = refused("cluster_field_unknown", lambda: api.apply(deployment(brandNewField=1)))
    assert ".spec.brandNewField" in error.cause
    assert "Deployment/bge" in error.cause
    assert server.names("Deployment", NAMESPACE) == []


def test_a_field_of_another_manager_is_a_conflict_that_names_it(server: ApiServer, api: Api) -> None:
    """Nobody's field is taken unless that is said."""
    api.apply(deployment(replicas=1))
    there = server.object("Deployment", "bge", NAMESPACE)
    assert there is not None
    there["spec"]["replicas"] = 5
    server.storage.update(server.kind("Deployment"), NAMESPACE, "bge", there, "keda")
    error = refused("cluster_conflict", lambda: api.apply(deployment(replicas=2)))
    assert ".spec.replicas (keda)" in error.cause
    api.apply(deployment(replicas=2), force=True)
    found = server.object("Deployment", "bge", NAMESPACE)
    assert found is not None
    assert found["spec"]["replicas"] == 2
    api.apply(deployment(replicas=3))


def test_a_kind_that_the_cluster_lacks_is_named(api: Api) -> None:
    """An operator that is not installed; a kind that nobody knows."""
    meta = {"name": "x", "namespace": NAMESPACE}
    tree = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": meta, "spec": {}}
    assert "ServiceMonitor" in refused("cluster_kind_missing", lambda: api.apply(tree)).cause
    assert "Other" in refused("cluster_kind_missing", lambda: resource_of("corp.test/v1", "Other")).cause


def test_a_namespace_that_is_not_there_is_named(server: ApiServer, tmp_path: Path) -> None:
    """With the command that makes it."""
    with reached(server, tmp_path, "team") as api:
        tree = config_map() | {"metadata": {"name": "x", "namespace": "team"}}
        assert "namespace team" in refused("cluster_namespace_missing", lambda: api.apply(tree)).cause


def test_what_is_made_once_is_not_made_again(server: ApiServer, api: Api) -> None:
    """Whoever comes second leaves it as it is."""
    assert api.create(config_map(one="1"))
    assert not api.create(config_map(one="2"))
    found = server.object("ConfigMap", "gateway", NAMESPACE)
    assert found is not None
    assert found["data"] == {"one": "1"}


def test_an_object_that_was_changed_meanwhile_is_not_overwritten(api: Api) -> None:
    """Who writes it second is told so."""
    api.apply(config_map(one="1"))
    first, second = api.find(ConfigMap, "gateway"), api.find(ConfigMap, "gateway")
    assert first is not None
    assert second is not None
    first.data = {"one": "2"}
    second.data = {"one": "3"}
    assert api.replace(first)
    assert not api.replace(second)


def test_what_is_gone_is_none_and_can_be_taken_away_again(api: Api) -> None:
    """Somebody else may have been faster."""
    assert api.find(ConfigMap, "gateway") is None
    api.delete(ConfigMap, "gateway")
    api.merge(ConfigMap, "gateway", {"data": {}})
    api.apply(config_map())
    api.delete(ConfigMap, "gateway")
    assert api.find(ConfigMap, "gateway") is None


def test_rbac_says_who_may_not_do_what_and_the_rule(server: ApiServer, api: Api) -> None:
    """As text that an administrator can copy."""

    def refuse(request: Request) -> RefusalError | None:
        if request.verb != "patch":
            return None
        return refusals.forbidden(request.resource, "patch", "jane", NAMESPACE, request.name)

    server.refuse = refuse
    error = refused("cluster_forbidden", lambda: api.apply(deployment()))
    assert "jane may not patch deployments in namespace freehold" in error.cause
    assert '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}' in error.fix


def busy(times: int, refusal: Callable[[], RefusalError] = refusals.busy) -> Callable[[Request], RefusalError | None]:
    """Refuses so often."""
    left = iter(range(times))
    return lambda _: refusal() if next(left, None) is not None else None


def test_a_server_that_has_too_much_to_do_is_asked_again(server: ApiServer, api: Api) -> None:
    """Some times; then it is said."""
    server.refuse = busy(TRIES - 1)
    api.apply(config_map())
    server.refuse = busy(TRIES)
    refused("cluster_busy", lambda: api.apply(config_map()))
    assert len(server.calls) == 2 * TRIES


def test_what_another_try_does_not_mend_is_tried_once(server: ApiServer, api: Api) -> None:
    """A defect of the server, or of what was sent."""
    server.refuse = busy(1, lambda: RefusalError(500, "InternalError", "etcdserver: request timed out"))
    refused("cluster_refused", lambda: api.apply(config_map()))
    assert len(server.calls) == 1


def test_a_server_that_is_gone_is_told_with_its_address(tmp_path: Path) -> None:
    """After some tries."""
    with ApiServer().running() as server:
        address = server.url
    with reached(server, tmp_path) as api:
        assert address in refused("cluster_unreachable", lambda: api.find(ConfigMap, "x")).cause


def test_a_wrong_token_is_told(server: ApiServer, tmp_path: Path) -> None:
    """Whoever asks is not known."""
    server.token = "right"
    with reached(server, tmp_path) as api:
        assert api.find(ConfigMap, "x") is None
        server.token = "rotated"
        refused("cluster_unauthorized", lambda: api.find(ConfigMap, "x"))
        refused("cluster_unauthorized", lambda: list(api.watch(ConfigMap, "x", "1", 1.0)))


def test_a_watch_tells_changes_from_a_version_on(api: Api) -> None:
    """Of that object alone, and of what it was taken away from."""
    api.apply(config_map(one="1"))
    _, version = api.all(ConfigMap, labels={"a": "b"}, fields={"metadata.name": "gateway"})
    api.apply(config_map(one="2"))
    api.apply(config_map() | {"metadata": {"name": "other", "namespace": NAMESPACE}})
    api.delete(ConfigMap, "gateway")
    changes = api.watch(ConfigMap, "gateway", version, 5.0)
    assert [(event, found.data) for event, found in (next(changes), next(changes))] == [
        ("MODIFIED", {"one": "2"}),
        ("DELETED", {"one": "2"}),
    ]


def test_a_watch_from_too_old_a_version_says_so(server: ApiServer, api: Api) -> None:
    """Whoever watches must look again."""
    api.apply(config_map(one="1"))
    server.storage.compact()
    with pytest.raises(ExpiredError):
        next(api.watch(ConfigMap, "gateway", "1", 5.0))


def test_a_watch_may_not_be_allowed_either(server: ApiServer, api: Api) -> None:
    """It is refused like all else."""
    server.refuse = lambda request: refusals.forbidden(request.resource, "watch", "jane", NAMESPACE, "")
    refused("cluster_forbidden", lambda: next(api.watch(ConfigMap, "gateway", "1", 5.0)))
    server.refuse = lambda request: RefusalError(410, "Gone", "too old")
    with pytest.raises(ExpiredError):
        next(api.watch(ConfigMap, "gateway", "1", 5.0))


def test_a_watch_ends_where_the_server_says_nothing(api: Api) -> None:
    """A connection that died without a word does not hold anybody up."""
    assert list(api.watch(ConfigMap, "gateway", "1", 0.1)) == []


def logging(server: ApiServer, *lines: str) -> None:
    """A pod that wrote these lines."""
    server.storage.create(
        server.kind("Pod"), NAMESPACE, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "server"}]}}, "test"
    )
    status = {"containerStatuses": [{"name": "server", "image": "", "state": {"running": {}}}]}
    server.storage.set_status(server.kind("Pod"), NAMESPACE, "p", status)
    server.controllers.logs["p"] = lines


def test_a_log_is_read_from_its_end(server: ApiServer, api: Api) -> None:
    """So many lines; the same when it is followed."""
    logging(server, "one", "two", "three")
    assert list(api.log("p", tail=2)) == ["two", "three"]
    assert list(api.log("p", follow=True)) == ["one", "two", "three"]


def test_a_container_that_has_not_begun_has_no_log(server: ApiServer, api: Api) -> None:
    """Neither has a pod that is gone."""
    server.storage.create(
        server.kind("Pod"), NAMESPACE, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "server"}]}}, "test"
    )
    assert list(api.log("p")) == []
    assert list(api.log("q", follow=True)) == []
    server.refuse = lambda request: refusals.forbidden(request.resource, "get", "jane", NAMESPACE, "p", "log")
    assert "pods/log" in refused("cluster_forbidden", lambda: list(api.log("p"))).cause


def test_a_service_is_asked_through_the_api_server(server: ApiServer, api: Api) -> None:
    """Its answers are passed on, whatever their status; a body of its own errors is no refusal of the API server."""
    asked = []

    def answering(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        asked.append((method, path, headers.get("api-key"), body))
        return 503 if path == "/readyz" else 200, b'{"error": {"code": "x"}}'

    with backend(answering) as server.backends[f"{NAMESPACE}/services/gateway:http"]:
        assert api.proxied("services/gateway:http", "POST", "/v1/x", b"1", {"api-key": "k"}, 5.0)[0] == 200
        assert api.proxied("services/gateway:http", "GET", "/readyz", b"", {}, 5.0) == (
            503,
            b'{"error": {"code": "x"}}',
        )
    assert asked == [("POST", "/v1/x", "k", b"1"), ("GET", "/readyz", None, b"")]


def test_a_service_that_is_not_reached_is_told_from_one_that_refuses(server: ApiServer, api: Api) -> None:
    """It is the API server that says so, and a wall between them is the likely cause."""
    error = refused("cluster_gateway_cut_off", lambda: api.proxied("services/x:http", "GET", "/", b"", {}, 5.0))
    assert "no endpoints available" in error.cause
    server.refuse = lambda request: refusals.forbidden(request.resource, "get", "jane", NAMESPACE, "x", "proxy")
    refused("cluster_forbidden", lambda: api.proxied("services/x:http", "GET", "/", b"", {}, 5.0))


def test_pods_are_chosen_by_labels(server: ApiServer, api: Api) -> None:
    """All that fit, and none of other namespaces."""
    api.apply(deployment(replicas=2))
    with server.storage.changed:
        assert server.storage.changed.wait_for(lambda: len(server.names("Pod", NAMESPACE)) == 2, 5)
    assert len(api.all(Pod, labels={"a": "b"})[0]) == 2
    assert api.all(Pod, labels={"a": "c"})[0] == []
    assert len(api.all(Deployment)[0]) == 1


def test_a_page_in_place_of_an_answer_is_told(tmp_path: Path) -> None:
    """What a captive portal or a proxy sends with status 200; a watch is begun again, which lists and hears of it."""
    with (
        Listener(lambda _: Answer(200, [b"<html>Please log in</html>"])).listening() as url,
        closing(connect(NAMESPACE, {}, kubeconfig(tmp_path, url))) as connection,
    ):
        api = Api(connection, NAMESPACE)
        for call in (lambda: api.find(Pod, "x"), lambda: api.all(Pod), lambda: api.apply(config_map())):
            assert "no API server" in refused("cluster_unreachable", call).cause
        assert list(api.watch(Pod, "x", "1", 1.0)) == []
