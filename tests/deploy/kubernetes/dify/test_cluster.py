"""A Dify on a cluster: its migration goes first, what fails changes nothing, data stays."""

from dataclasses import replace

import msgspec
import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.kubernetes.dify.cluster import READ, DifyOnCluster
from freehold.deploy.kubernetes.dify.naming import SECRETS
from freehold.deploy.kubernetes.dify.objects import dify_objects
from freehold.deploy.kubernetes.dify.secrets import write_dify_secrets, write_version
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE, forbidden
from tests.deploy.kubernetes.dify.cases import CASES, dify, with_dify
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.server import ApiServer

CASE = CASES["dify"]
WITHOUT = replace(CASE, config=msgspec.structs.replace(CASE.config, dify=None))
LATER = ("dify-api", "dify-worker", "dify-web", "dify-plugin-daemon")


@pytest.fixture
def target(server: ApiServer, cluster: Cluster, api: Api) -> DifyOnCluster:
    """The models are there already; the migration of Dify takes no time."""
    cluster.start(CASE, CASE.units)
    server.calls.clear()
    return DifyOnCluster(api, {"OWN": "a-secret"}, look_s=0.1)


def failed(target: DifyOnCluster) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        target.start(CASE)
    return caught.value


def test_the_migration_is_over_before_the_application_begins(server: ApiServer, target: DifyOnCluster) -> None:
    """Databases, then the job, then who needs it; secrets and claims before all. A second time no pod is made anew."""
    target.start(CASE)
    writes = server.writes()

    def at(words: str) -> int:
        return next(number for number, told in enumerate(writes) if words in told)

    job = at("jobs.batch/dify-migration-")
    assert at("create secrets") < at("persistentvolumeclaims/dify-db") < at("statefulsets.apps/dify-db-postgres") < job
    assert all(at(f"deployments.apps/{name}") > job for name in LATER)
    assert {one.state for one in target.running()} == {"ready"}
    assert {one.host for one in target.running()} >= {*LATER, "dify-db-postgres"}
    before = {kind: server.names(kind, NAMESPACE) for kind in ("Job", "Pod", "Secret", "ConfigMap")}
    target.start(CASE)
    assert {kind: server.names(kind, NAMESPACE) for kind in before} == before


def test_a_migration_that_fails_leaves_the_services_as_they_are(server: ApiServer, target: DifyOnCluster) -> None:
    """In the words of the container; and the next time it is tried again."""
    server.controllers.outcomes["dify-migration"] = Outcome("crash", log=("relation exists already",))
    error = failed(target)
    assert error.code == "dify_job_failed"
    assert "relation exists already" in error.cause
    assert not {*LATER} & set(server.names("Deployment", NAMESPACE))
    server.controllers.outcomes.clear()
    target.start(CASE)
    assert {*LATER} <= set(server.names("Deployment", NAMESPACE))


def test_a_migration_that_waits_for_ever_says_what_for(server: ApiServer, target: DifyOnCluster) -> None:
    """An image that is not there, say: somebody has to do something."""
    words = 'Failed to pull image "langgenius/dify-api:1.15.0": manifest unknown: not found'
    server.controllers.outcomes["dify-migration"] = Outcome("image", message=words)
    assert "dify-api:1.15.0" in failed(target).cause


def test_a_service_that_does_not_start_says_why(server: ApiServer, target: DifyOnCluster) -> None:
    """By the service's name; the running of others is told too."""
    server.controllers.outcomes["dify-web"] = Outcome("crash", log=("listen EACCES",))
    error = failed(target)
    assert error.code == "dify_service_failed"
    assert "dify-web" in error.cause
    assert "listen EACCES" in error.cause
    states = {one.host: one.state for one in target.running()}
    assert (states["dify-web"], states["dify-api"]) == ("failed", "ready")
    assert target.hosts(CASE)["web"] == "dify-web"
    assert "listen EACCES" in " ".join(target.logs("dify-web"))
    with pytest.raises(FreeholdError) as caught:
        target.logs("dify-nobody")
    assert caught.value.code == "cluster_service_unknown"


def test_what_the_configuration_no_longer_has_goes(server: ApiServer, target: DifyOnCluster) -> None:
    """Another vector store, another job; the data of the old one stays. Pods say which secrets of the user's they read:
    another state of them makes them anew."""
    target.start(CASE)
    (first,) = server.names("Job", NAMESPACE)
    target.start(with_dify({"vectors": {"kind": "qdrant"}, "environment": {"OPENAI_API_KEY": "${env:OWN}"}}))
    found = {name: server.object("Deployment", name, NAMESPACE) for name in server.names("Deployment", NAMESPACE)}
    marked = {name for name, one in found.items() if one and READ in str(one["spec"]["template"]["metadata"])}
    assert marked == {"dify-api", "dify-api-websocket", "dify-worker", "dify-worker-beat"}
    assert "dify-pgvector" not in server.names("StatefulSet", NAMESPACE)
    assert "dify-qdrant" in server.names("StatefulSet", NAMESPACE)
    assert "dify-pgvector" in server.names("PersistentVolumeClaim", NAMESPACE)
    (second,) = server.names("Job", NAMESPACE)
    assert first != second


def test_going_leaves_data_secrets_and_the_models(server: ApiServer, target: DifyOnCluster, cluster: Cluster) -> None:
    """So that the next start finds everything."""
    target.start(CASE)
    models = [unit.host for unit in CASE.units]
    assert [one.host for one in cluster.running()] == models  # a rollout would stop what it does not know
    kept = set(server.names("PersistentVolumeClaim", NAMESPACE))
    target.start(WITHOUT)  # which is what stops it
    assert target.version() == "1.15.0"
    assert target.running() == []
    for kind in {tree["kind"] for tree in dify_objects(CASE, dify("dify"))} - {"PersistentVolumeClaim"}:
        assert not [name for name in server.names(kind, NAMESPACE) if name.startswith("dify")], kind
    assert set(server.names("PersistentVolumeClaim", NAMESPACE)) == kept >= {"dify-db", "dify-plugin-daemon"}
    assert SECRETS in server.names("Secret", NAMESPACE)
    assert [one.host for one in cluster.running()] == models


def test_the_release_that_the_data_is_of_is_told(api: Api, target: DifyOnCluster) -> None:
    """So that another one is refused before anything is changed: tests/deploy/releases/test_deploying.py."""
    assert target.version() is None
    write_dify_secrets(api, CASE, dify("dify"), {})
    write_version(api, replace(dify("dify"), version="1.16.0"))
    assert target.version() == "1.16.0"


def test_what_is_missing_is_told_before_anything_is_changed(server: ApiServer, target: DifyOnCluster) -> None:
    """A secret of the user's own; a good configuration passes, and nothing is written."""
    before = server.writes()
    with pytest.raises(FreeholdError) as caught:
        target.verify(with_dify({"redis": {"host": "redis.corp.test", "password": "${env:REDIS}"}}))
    assert caught.value.code == "cluster_secret_missing"
    target.verify(CASE)
    assert server.writes() == before


def test_a_configuration_without_a_dify_has_nothing_to_do(server: ApiServer, target: DifyOnCluster) -> None:
    """For who may not ask for databases, too."""
    server.refuse = lambda request: forbidden(request) if request.resource == "statefulsets" else None
    target.start(WITHOUT)
    assert target.running() == []
