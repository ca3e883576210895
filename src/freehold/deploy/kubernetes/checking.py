"""The check of a new version's artifacts in its own image: Jobs beside what runs, and what came of them."""

from collections.abc import Sequence

from lightkube.resources.apps_v1 import Deployment as Workload
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.resources.networking_v1 import NetworkPolicy

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.naming import INSTANCE, service_of
from freehold.deploy.kubernetes.reasons import failed_rows, why
from freehold.deploy.kubernetes.seeing import seen
from freehold.deploy.kubernetes.verification import verification, verification_name
from freehold.deploy.kubernetes.watch import states
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError

_PULLING_S = 660.0
"""An image of gigabytes, and a moment beyond the Job's own deadline."""
_LOOK_S = 2.0
"""What keeps a pod from starting is not told by its Job."""


def check_artifacts(api: Api, deployment: Deployment, units: Sequence[Unit]) -> None:
    """Have the image of each unit check what it is to serve, all at once. Raises the words of the first that fails.

    Nothing of it stays: neither the Jobs nor, after a failure, the files of versions that do not run.
    """
    made = [(unit, trees) for unit in units if (trees := tuple(verification(deployment, unit)))]
    ours = [unit for unit, _ in made]
    try:
        for unit, trees in made:
            _clear(api, unit)
            for tree in trees:
                api.apply(tree)
        for unit in ours:
            _await(api, unit)
    except BaseException:
        for unit in ours:
            if api.find(Workload, service_of(unit)) is None:
                api.delete(ConfigMap, service_of(unit))
        raise
    finally:
        for unit in ours:
            _clear(api, unit)


def _clear(api: Api, unit: Unit) -> None:
    api.delete(Job, verification_name(unit))
    if unit.pulls:
        api.delete(NetworkPolicy, verification_name(unit))


def _await(api: Api, unit: Unit) -> None:
    """Until the Job has an end. Raises what it says, or what keeps its pod from starting."""
    for job in states(api, Job, verification_name(unit), unit.startup_s + _PULLING_S, look_s=_LOOK_S):
        if job is None:
            raise FreeholdError("cluster_check_lost", service=unit.name)
        conditions = (job.status.conditions if job.status else None) or ()
        ends = {one.type for one in conditions if one.status == "True"}
        if "Complete" in ends:
            return
        trouble = _trouble(api, unit, has_failed="Failed" in ends)
        if trouble is not None:
            raise trouble
    raise FreeholdError("cluster_check_slow", service=unit.name, seconds=round(unit.startup_s + _PULLING_S))


def _trouble(api: Api, unit: Unit, *, has_failed: bool) -> FreeholdError | None:
    pods, _ = api.all(Pod, labels={INSTANCE: verification_name(unit)})
    found = seen(api, None, pods)
    rows = failed_rows(line for lines in found.logs.values() for line in lines)
    if rows is not None and has_failed:
        return FreeholdError("cluster_check_failed", service=unit.name, cause=rows[0], fix=rows[1])
    reason = why(found)
    if reason is not None and (reason.is_final or has_failed):
        error = reason.error
        return FreeholdError("cluster_check_failed", service=unit.name, cause=error.cause, fix=error.fix)
    return FreeholdError("cluster_check_lost", service=unit.name) if has_failed else None
