"""The check of a new version in its own image, beside what runs."""

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.checking import check_artifacts
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.deploy.kubernetes.deployments import BGE, CASES, QWEN, deployment
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.server import ApiServer

MADE = deployment(BGE, QWEN)
(UNIT, VLLM) = MADE.units
TABLE = (
    "ok    config          /etc/freehold/freehold.yaml: bge-m3",
    "fail  verify:bge-m3   output 0 differs by 0.3",
    "                      -> raw",
    "                      fix: convert the model again",
)


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(NAMESPACES, "", NAMESPACE)


def failed(api: Api) -> FreeholdError:
    """The error that the check ends with."""
    with pytest.raises(FreeholdError) as caught:
        check_artifacts(api, MADE, MADE.units)
    return caught.value


def test_a_check_that_passes_leaves_nothing_but_the_files_of_the_version(server: ApiServer, api: Api) -> None:
    """Of ours alone: what other servers load is not known before."""
    check_artifacts(api, MADE, MADE.units)
    assert server.names("Job", NAMESPACE) == []
    assert server.names("Pod", NAMESPACE) == []
    assert server.names("ConfigMap", NAMESPACE) == [UNIT.host]
    assert not any(VLLM.host in one.told for one in server.calls)


def test_a_check_that_fails_tells_its_rows(server: ApiServer, api: Api) -> None:
    """What was found and the fix; and everything is gone again."""
    server.controllers.outcomes[UNIT.host] = Outcome("crash", log=TABLE, exit_code=1)
    error = failed(api)
    assert error.code == "cluster_check_failed"
    assert "verify:bge-m3 output 0 differs by 0.3" in error.cause
    assert error.fix == "convert the model again"
    assert server.names("Job", NAMESPACE) == server.names("Pod", NAMESPACE) == []
    assert server.names("ConfigMap", NAMESPACE) == []


def test_the_files_of_a_version_that_runs_stay(server: ApiServer, api: Api) -> None:
    """A check that fails takes nothing from what is there already."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "server", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    server.add(server.kind("Deployment"), NAMESPACE, UNIT.host, spec=spec)
    server.controllers.outcomes[UNIT.host] = Outcome("crash", log=TABLE)
    failed(api)
    assert server.names("ConfigMap", NAMESPACE) == [UNIT.host]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome("image", "not found"), "The registry has no"),
        (Outcome("oom"), "was killed"),
        (Outcome("crash", log=("boom",), exit_code=3), "exit code 3"),
        (Outcome("mount", 'secret "freehold-internal" not found'), "needs the secret freehold-internal"),
    ],
)
def test_what_keeps_a_check_from_running_is_told(server: ApiServer, api: Api, outcome: Outcome, words: str) -> None:
    """Without waiting for its deadline where that is in vain."""
    server.controllers.outcomes[UNIT.host] = outcome
    error = failed(api)
    assert error.code == "cluster_check_failed"
    assert words in error.cause


def test_a_check_that_somebody_removes_is_told(server: ApiServer, api: Api) -> None:
    """It ends, rather than waiting for ever."""

    def removed(request: object) -> None:
        if server.names("Job", NAMESPACE):
            server.storage.delete(server.kind("Job"), NAMESPACE, server.names("Job", NAMESPACE)[0])

    server.controllers.outcomes[UNIT.host] = Outcome("unready", after_s=0.0)
    server.refuse = lambda request: removed(request) if request.verb == "watch" else None
    assert failed(api).code == "cluster_check_lost"


def test_one_that_was_left_by_a_killed_deploy_is_replaced(server: ApiServer, api: Api) -> None:
    """Its end says nothing of the new image."""
    server.controllers.outcomes[UNIT.host] = Outcome("crash", log=TABLE)
    failed(api)
    server.controllers.outcomes[UNIT.host] = Outcome()
    check_artifacts(api, MADE, MADE.units)


def test_a_way_to_the_registry_is_closed_again(server: ApiServer, api: Api) -> None:
    """Where artifacts are pulled."""
    made = CASES["pull"]
    check_artifacts(api, made, made.units)
    assert any("patch networkpolicies" in told for told in server.writes())
    assert server.names("NetworkPolicy", NAMESPACE) == []
