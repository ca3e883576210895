"""Services of a Dify that stand still for a while: no copies of them, and on each the number that it had.

A pod cannot be paused: its first process takes no SIGSTOP from within, and probes would end what does not answer.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from lightkube.resources.apps_v1 import Deployment as Workload
from lightkube.resources.core_v1 import Pod

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.naming import host_of, selector_of
from freehold.errors import FreeholdError

HELD = "freehold/held"
"""The annotation of a Deployment with how many copies it had: outlives whoever wrote it."""
ENDING_S = 180.0
"""A pod's own grace is a minute; a node may be slow."""
_ENDED = ("Succeeded", "Failed")


def hold(api: Api, services: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
    """Scale these to nothing and wait until none of their pods is there. Those that had none already stay so.

    Raises FreeholdError `dify_backup_not_held`.
    """
    for workload in _workloads(api, services):
        if copies := _copies(workload):
            _scale(api, workload, 0, str(copies))
    until = clock() + ENDING_S
    while left := [_name(pod) for name in services for pod in _pods(api, name)]:
        if clock() >= until:
            raise FreeholdError("dify_backup_not_held", pods=", ".join(left), seconds=round(ENDING_S))
        api.rest()


def let_go(api: Api, services: Sequence[str]) -> None:
    """Give back to each the copies that it had when it was held, whoever held it.

    Raises FreeholdError `dify_backup_disturbed`, after all were let go, where somebody else had scaled one meanwhile.
    """
    disturbed = []
    for workload in _workloads(api, services):
        had = _held(workload)
        if had is None:
            continue
        if copies := _copies(workload):
            disturbed.append(_name(workload))
        _scale(api, workload, copies or had, None)
    if disturbed:
        raise FreeholdError("dify_backup_disturbed", services=", ".join(disturbed))


def is_held(api: Api, name: str) -> bool:
    """Whether the Deployment `name` is."""
    found = api.find(Workload, name)
    return found is not None and _held(found) is not None


def forget(api: Api, name: str) -> None:
    """Somebody gave it its copies otherwise."""
    api.merge(Workload, name, {"metadata": {"annotations": {HELD: None}}})


def _scale(api: Api, workload: Workload, copies: int, had: str | None) -> None:
    """In one write, so that the number is never lost."""
    patch = {"metadata": {"annotations": {HELD: had}}, "spec": {"replicas": copies}}
    api.merge(Workload, _name(workload), patch)


def _workloads(api: Api, services: Sequence[str]) -> Iterator[Workload]:
    for name in services:
        found = api.find(Workload, host_of(name))
        if found is not None:
            yield found


def _pods(api: Api, service: str) -> list[Pod]:
    found, _ = api.all(Pod, labels=selector_of(service))
    return [pod for pod in found if pod.status is None or pod.status.phase not in _ENDED]


def _copies(workload: Workload) -> int:
    assert workload.spec is not None, "a Deployment has a spec"
    return 1 if workload.spec.replicas is None else workload.spec.replicas


def _held(workload: Workload) -> int | None:
    text = ((workload.metadata.annotations if workload.metadata else None) or {}).get(HELD, "")
    return int(text) if text.isdigit() else None


def _name(found: Workload | Pod) -> str:
    return (found.metadata.name if found.metadata else None) or ""
