"""An object as it changes, whatever becomes of the connection."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from lightkube.resources.core_v1 import ConfigMap

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.watch import states
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.kubernetes_api import refusals
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.server import ApiServer


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(NAMESPACES, "", NAMESPACE)


def written(api: Api, number: int) -> None:
    """A version of the object."""
    meta = {"name": "x", "namespace": NAMESPACE}
    api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": str(number)}})


def number(found: ConfigMap | None) -> Any:
    """Which version it is."""
    return None if found is None else (found.data or {})["n"]


def test_every_state_is_seen(api: Api) -> None:
    """From nothing to nothing."""
    acts: list[Callable[[], object]] = [
        lambda: written(api, 1),
        lambda: written(api, 2),
        lambda: api.delete(ConfigMap, "x"),
        lambda: None,
    ]
    seen = []
    for act, found in zip(acts, states(api, ConfigMap, "x", 10.0), strict=False):
        seen.append(number(found))
        act()
    assert seen == [None, "1", "2", None]


def test_a_version_that_is_too_old_is_looked_up_again(server: ApiServer, api: Api) -> None:
    """What happened while nobody could be told is seen all the same."""
    written(api, 1)
    found = states(api, ConfigMap, "x", 10.0)
    assert number(next(found)) == "1"
    written(api, 2)
    server.storage.compact()
    assert number(next(found)) == "2"


def test_a_watch_that_ends_begins_again(api: Api) -> None:
    """Each time with a look, so that nothing is missed; at the end of the time it is over."""
    written(api, 1)
    seen = [number(found) for found in states(api, ConfigMap, "x", 0.35, look_s=0.1)]
    assert set(seen) == {"1"}
    assert len(seen) > 2


def test_a_server_that_goes_away_in_the_middle_is_told(server: ApiServer, api: Api) -> None:
    """A refusal at the next look ends it."""
    written(api, 1)
    found = states(api, ConfigMap, "x", 10.0, look_s=0.05)
    assert number(next(found)) == "1"
    server.refuse = lambda request: refusals.unauthorized()
    with pytest.raises(FreeholdError, match="cluster_unauthorized"):
        list(found)


def test_changes_of_others_wake_nobody(api: Api) -> None:
    """Only this object's."""
    written(api, 1)
    found = states(api, ConfigMap, "x", 10.0)
    assert number(next(found)) == "1"
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y", "namespace": NAMESPACE}}
    later = threading.Timer(0.05, lambda: written(api, 2))
    later.start()
    api.apply(other)
    assert number(next(found)) == "2"
    later.join()
