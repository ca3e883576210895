"""What is gathered of a service that is not ready."""

from typing import Any

from lightkube.resources.core_v1 import Pod

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.seeing import LINES, last_lines, seen
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.kinds import EVENT, POD
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.server import ApiServer

NEVER_S = 3600.0
RUNS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
DONE = {"terminated": {"exitCode": 0}}
WAITS: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}


def pod(server: ApiServer, name: str, init: dict[str, Any] | None = None, **state: Any) -> Pod:
    """A pod that is there, whose containers are so, and which wrote more than is read."""
    server.controllers.outcomes[name] = Outcome(after_s=NEVER_S)  # how it is stands here, and no kubelet's word comes
    names = [{"name": "server"}]
    server.storage.create(POD, NAMESPACE, {"metadata": {"name": name}, "spec": {"containers": names}}, "test")
    common = {"image": "", "imageID": "", "restartCount": 0, "ready": False}
    status: dict[str, Any] = {"containerStatuses": [{"name": "server", **common, **state}]} if state else {}
    if init is not None:
        status["initContainerStatuses"] = [{"name": "pull-0", **common, "state": init}]
    server.storage.set_status(POD, NAMESPACE, name, status)
    server.controllers.logs[name] = tuple(map(str, range(2 * LINES)))
    return Pod.from_dict(server.storage.get(POD, NAMESPACE, name))


def test_events_and_lines_of_its_own_pods_are_gathered(server: ApiServer, api: Api) -> None:
    """And of no others; what is ready is not read."""
    server.add(NAMESPACES, "", NAMESPACE)
    here = pod(server, "here", state=RUNS)
    ready = pod(server, "ready", state=RUNS)
    assert ready.status is not None
    ready.status.conditions = Pod.from_dict(
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    ).status.conditions  # type: ignore[union-attr]  # just made
    for name in ("here", "there"):
        about = {"kind": "Pod", "name": name}
        server.add(EVENT, NAMESPACE, name, involvedObject=about, reason="Unhealthy", message="no")
    found = seen(api, None, [here, ready])
    assert [event.involvedObject.name for event in found.events] == ["here"]
    assert list(found.logs) == ["here"]
    assert found.logs["here"][-1] == str(2 * LINES - 1)
    assert len(found.logs["here"]) == LINES


def test_the_container_that_failed_is_read(server: ApiServer, api: Api) -> None:
    """The one before the others while these wait for it; none that has not begun."""
    server.add(NAMESPACES, "", NAMESPACE)

    def asked(made: Pod) -> list[str]:
        server.calls.clear()
        last_lines(api, made)
        return [one.query["container"] for one in server.calls]

    assert asked(pod(server, "a", init={"terminated": {"exitCode": 1}}, state=WAITS)) == ["pull-0"]
    assert asked(pod(server, "b", init=DONE, state=RUNS)) == ["server"]
    assert asked(pod(server, "c", init=DONE, state=WAITS)) == ["pull-0"]
    assert asked(pod(server, "d", state=WAITS)) == []
    assert asked(pod(server, "e")) == []
    assert asked(pod(server, "f", state=WAITS, restartCount=2)) == ["server"]
    assert last_lines(api, Pod.from_dict({"metadata": {"name": "g"}})) == ()
