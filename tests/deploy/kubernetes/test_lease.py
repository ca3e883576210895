"""One change of a deployment at a time, from whichever machine."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.lease import Term, held
from freehold.deploy.releases.lock import user_here
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.kubernetes_api import refusals
from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.server import ApiServer

QUICK = Term(lasts_s=1, renew_s=0.02)
WAIT_S = 10.0  # only a broken test waits this long


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(NAMESPACES, "", NAMESPACE)


def lease(server: ApiServer) -> Object:
    """The Lease as it is now."""
    found = server.object("Lease", "freehold-shop", NAMESPACE)
    assert found is not None
    return found


def of_another(server: ApiServer, renewed: datetime) -> None:
    """Somebody else has it, and renewed it then."""
    moment = f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}"
    spec = {"holderIdentity": "eve@far:7", "leaseDurationSeconds": 30, "renewTime": moment, "acquireTime": moment}
    found = server.object("Lease", "freehold-shop", NAMESPACE)
    meta = {"name": "freehold-shop", "annotations": {"freehold/what": "rollback"}}
    if found is None:
        server.storage.create(server.kind("Lease"), NAMESPACE, {"metadata": meta, "spec": spec}, "test")
    else:
        server.storage.update(server.kind("Lease"), NAMESPACE, "freehold-shop", {"metadata": meta, "spec": spec}, "x")


def test_a_lease_names_its_holder_while_it_is_held(server: ApiServer, api: Api) -> None:
    """Who, where, and what for; afterwards nobody, and it can be had again."""
    for what in ("deploy", "rollback"):
        with held(api, "shop", what) as hold:
            found = lease(server)
            assert found["spec"]["holderIdentity"] == hold.holder
            assert hold.holder.startswith(f"{user_here()}@")
            assert found["metadata"]["annotations"]["freehold/what"] == what
            hold.check()
        assert lease(server)["spec"].get("holderIdentity", "") == ""


def test_a_second_one_is_told_who_has_it(api: Api) -> None:
    """And since when, and what for."""
    with held(api, "shop", "deploy") as hold, pytest.raises(FreeholdError) as caught, held(api, "shop", "down"):
        pass
    assert caught.value.code == "cluster_held"
    assert hold.holder in caught.value.cause
    assert "`freehold deploy`" in caught.value.cause
    assert "freehold-shop" in caught.value.fix


def test_another_deployment_has_another_lease(api: Api) -> None:
    """They do not wait for each other."""
    with held(api, "shop", "deploy"), held(api, "other", "deploy"):
        pass


@pytest.mark.parametrize("ago", [timedelta(minutes=5), -timedelta(days=365)])
def test_one_that_died_is_passed_over(server: ApiServer, api: Api, ago: timedelta) -> None:
    """After it was seen to be renewed no more; also where its clock was a year ahead."""
    of_another(server, datetime.now(UTC) - ago)
    slept: list[float] = []
    with held(api, "shop", "deploy", sleep=slept.append):
        assert lease(server)["spec"]["holderIdentity"].startswith(user_here())
    assert slept == [15.0]


def test_one_whose_clock_is_behind_is_not_passed_over(server: ApiServer, api: Api) -> None:
    """It renews: that is what counts, not what its clock says."""
    before = datetime.now(UTC) - timedelta(minutes=5)
    of_another(server, before)
    renewing = lambda _: of_another(server, before + timedelta(seconds=10))  # noqa: E731 - one call
    with pytest.raises(FreeholdError, match="eve@far:7"), held(api, "shop", "deploy", sleep=renewing):
        pass


def test_it_is_renewed_while_it_is_held(server: ApiServer, api: Api) -> None:
    """So that a long rollout keeps it."""
    with held(api, "shop", "deploy", QUICK), server.storage.changed:
        first = lease(server)["spec"]
        assert server.storage.changed.wait_for(lambda: lease(server)["spec"]["renewTime"] != first["renewTime"], WAIT_S)
        assert lease(server)["spec"]["acquireTime"] == first["acquireTime"]


def test_a_lease_that_somebody_took_is_lost(server: ApiServer, api: Api) -> None:
    """Nothing more is changed by whoever had it; it is not taken from the new holder."""
    with held(api, "shop", "deploy", QUICK) as hold:
        of_another(server, datetime.now(UTC))
        waited = threading.Event()
        while hold.lost is None and not waited.wait(0.01):
            continue
        with pytest.raises(FreeholdError, match="cluster_lock_lost"):
            hold.check()
    assert lease(server)["spec"]["holderIdentity"] == "eve@far:7"


def test_a_lease_that_cannot_be_renewed_is_lost_once_it_is_over(server: ApiServer, api: Api) -> None:
    """Not before: the API server may be back."""
    with held(api, "shop", "deploy", Term(lasts_s=0, renew_s=0.02)) as hold:
        server.refuse = lambda request: refusals.unauthorized()
        waited = threading.Event()
        while hold.lost is None and not waited.wait(0.01):
            continue
        server.refuse = lambda request: None
    assert hold.lost is not None
    assert "does not know who is asking" in hold.lost.cause
