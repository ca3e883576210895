"""The gateway of a cluster: what it is given, what it is asked, and with which rights."""

import base64
import json
from collections.abc import Mapping
from contextlib import ExitStack

import pytest
from lightkube.resources.core_v1 import Pod

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import READ_BY, Cluster
from freehold.deploy.releases.watching import Scrape
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE, add_secret, forbidden, settled
from tests.deploy.kubernetes.deployments import BGE, CASES, deployment
from tests.kubernetes_api import refusals
from tests.kubernetes_api.backend import backend
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.refusals import RefusalError
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.server import ApiServer

MADE = deployment(BGE)
(UNIT,) = MADE.units
ALL = (*MADE.units, MADE.gateway)
WAIT_S = 10.0


def test_the_deployers_role_is_enough_for_all_that_is_done(server: ApiServer, cluster: Cluster) -> None:
    """Once an administrator has made it: a check, a start, a route, questions, lines, a stop, and the lock."""
    cluster.start(MADE, ())
    role = server.object("Role", "freehold-deployer", NAMESPACE)
    assert role is not None
    server.controllers.outcomes[UNIT.host] = Outcome("unready", "Readiness probe failed", log=("loading",))
    server.controllers.outcomes[f"{UNIT.name}-{UNIT.revision}-verify"] = Outcome()
    foundation = {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
    refused: list[str] = []

    def refuse(request: Request) -> RefusalError | None:
        if any(allows(rule, request) for rule in role["rules"]):
            return None
        if request.resource.kind not in foundation:
            refused.append(f"{request.told}/{request.sub}")
        return forbidden(request)

    server.refuse = refuse
    with cluster.held("deploy"), ExitStack() as stack:
        cluster.verify(MADE, MADE.units)
        cluster.start(MADE, ALL)
        settled(server, cluster, "starting", "cluster_unready", host=UNIT.host)
        settled(server, cluster, "ready", host=MADE.gateway.host)
        gateways(server, stack, {})
        cluster.route(MADE, "models: []")
        assert [cluster.ask("GET", path)[0] for path in ("/readyz", "/metrics", "/v1/models")] == [200, 200, 200]
        assert cluster.ask("POST", "/v1/x", b"{}")[0] == 200
        assert list(cluster.logs("bge-m3")) == ["loading"]
        cluster.stop([one.host for one in cluster.running()])
    assert refused == []


def allows(rule: dict[str, list[str]], request: Request) -> bool:
    """As RBAC reads a rule: a name is only known of what has one."""
    resource = request.resource.plural + (f"/{request.sub}" if request.sub else "")
    names = rule.get("resourceNames")
    return (
        request.resource.group in rule["apiGroups"]
        and resource in rule["resources"]
        and request.verb in rule["verbs"]
        and (names is None or request.name in names)
    )


def test_the_gateways_are_given_a_file_and_told_to_look(server: ApiServer, api: Api, cluster: Cluster) -> None:
    """A kubelet looks at a ConfigMap once a minute, but at once where its pod changes."""
    cluster.start(MADE, ALL)
    settled(server, cluster, "ready")
    cluster.route(MADE, "models: []")
    pods = api.all(Pod, labels={"app.kubernetes.io/instance": "gateway"})[0]
    marks = {(pod.metadata.annotations or {})[READ_BY] for pod in pods if pod.metadata}
    assert len(pods) == 2
    assert len(marks) == 1
    assert server.writes()[-3:] == [
        "patch configmaps/gateway",
        *(f"patch pods/{pod.metadata.name}" for pod in pods if pod.metadata),
    ]


ROUTED = b"""# HELP freehold_routed_requests_total Requests.
# TYPE freehold_routed_requests_total counter
freehold_routed_requests_total{route="r",model="a",status="200"} 7.0
"""


def gateways(server: ApiServer, stack: ExitStack, answers: Mapping[str, tuple[int, bytes]]) -> list[tuple[str, str]]:
    """Every copy of the gateway answers so by path; what was asked, with its key."""
    asked: list[tuple[str, str]] = []

    def answering(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        asked.append((path, headers.get("api-key", "")))
        return answers.get(path, (200, b"{}"))

    url = stack.enter_context(backend(answering))
    server.backends |= {f"{NAMESPACE}/services/{scheme}gateway:http": url for scheme in ("", "https:")}
    for name in server.names("Pod", NAMESPACE):
        server.backends[f"{NAMESPACE}/pods/{name}:8080"] = url
    return asked


def test_the_gateway_is_asked_with_its_key(server: ApiServer, api: Api, cluster: Cluster) -> None:
    """In a header that the API server passes on; a caller's own key goes before."""
    cluster.start(MADE, ALL)
    secret = server.object("Secret", "freehold-access", NAMESPACE)
    assert secret is not None
    key = base64.b64decode(secret["data"]["value"]).decode()
    with ExitStack() as stack:
        asked = gateways(server, stack, {"/v1/models": (403, b"no")})
        assert cluster.ask("GET", "/v1/models") == (403, b"no")
        assert cluster.ask("POST", "/v1/x", b"{}", {"Authorization": "Bearer mine"}) == (200, b"{}")
        assert Cluster(api, "freehold", {}, key="named").ask("POST", "/v1/x", b"{}") == (200, b"{}")
    assert asked == [("/v1/models", key), ("/v1/x", "mine"), ("/v1/x", "named")]


def test_of_several_gateways_the_one_that_is_behind_speaks(server: ApiServer, cluster: Cluster) -> None:
    """A file is in force when it is in force everywhere; metrics are those of all of them."""
    cluster.start(MADE, ALL)
    settled(server, cluster, "ready")
    cluster.route(MADE, "models: []")
    wanted = "5cd0f8a66b5ae5bb2d7d3d5bda4f3c15"
    first, second = (name for name in server.names("Pod", NAMESPACE) if name.startswith("gateway"))
    state = {"models": [{"id": "a", "state": "ready"}], "configuration": wanted}
    late = {"models": [{"id": "a", "state": "loading"}], "configuration": wanted}
    with ExitStack() as stack:
        gateways(server, stack, {"/readyz": (200, json.dumps(state).encode()), "/metrics": (200, b"one\n")})
        answers = {"/readyz": (503, json.dumps(late).encode()), "/metrics": (200, b"two\n")}
        url = stack.enter_context(backend(lambda method, path, headers, body: answers[path]))
        server.backends[f"{NAMESPACE}/pods/{second}:8080"] = url
        assert json.loads(cluster.ask("GET", "/readyz")[1]) == late
        assert sorted(cluster.ask("GET", "/metrics")[1].split()) == [b"one", b"two"]
        answers["/metrics"] = (200, ROUTED)
        server.backends[f"{NAMESPACE}/pods/{first}:8080"] = url
        assert Scrape.of(cluster.ask("GET", "/metrics")[1].decode()).answers["a"].statuses == {"200": 14.0}
        answers |= {"/readyz": (200, b"not json"), "/metrics": (401, b"no key")}
        assert cluster.ask("GET", "/readyz") == (200, b"not json")
        assert cluster.ask("GET", "/metrics") == (401, b"no key")


def test_a_gateway_that_is_not_there_is_told(server: ApiServer, cluster: Cluster) -> None:
    """Nobody answers, and that is said."""
    cluster.start(MADE, MADE.units)
    with pytest.raises(FreeholdError, match="cluster_no_gateway"):
        cluster.ask("GET", "/readyz")
    with pytest.raises(FreeholdError, match="cluster_gateway_cut_off"):
        cluster.ask("GET", "/v1/models")


def test_a_gateway_by_https_is_asked_by_https(server: ApiServer, api: Api) -> None:
    """As its own probes say."""
    made: Deployment = CASES["tls"]
    for name in ("own-pem", "own-key"):
        add_secret(server, NAMESPACE, f"freehold-{name}")
    server.kinds.append(refusals.Resource("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"))
    cluster = Cluster(api, "freehold", {})
    cluster.start(made, (*made.units, made.gateway))
    with ExitStack() as stack:
        gateways(server, stack, {})
        cluster.ask("GET", "/v1/models")
    assert [one.name for one in server.calls if one.sub == "proxy"] == ["https:gateway:http"]
