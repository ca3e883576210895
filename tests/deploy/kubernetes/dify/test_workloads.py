"""What runs services of a Dify."""

from dataclasses import replace

import pytest

from freehold.deploy.kubernetes.dify.workloads import service_objects
from freehold.deploy.topology.service import Installation, Service
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.dify.cases import CASES, Tree, dify, of_kind


def job_of(found: Installation) -> Tree:
    return next(
        tree
        for service in found.services
        for tree in service_objects(CASES["dify"], found, service)
        if tree["kind"] == "Job"
    )


def test_what_may_be_one_is_stopped_before_it_is_started() -> None:
    """The plugin daemon and the scheduler among them; the others roll, with a budget."""
    deployments = of_kind("dify", "Deployment")
    one = {name for name, tree in deployments.items() if tree["spec"]["strategy"] == {"type": "Recreate"}}
    assert one >= {"dify-plugin-daemon", "dify-worker-beat"}
    assert all(deployments[name]["spec"]["replicas"] == 1 for name in one)
    assert {"dify-api", "dify-worker"} <= of_kind("dify", "PodDisruptionBudget").keys()
    assert not one & of_kind("dify", "PodDisruptionBudget").keys()
    assert deployments["dify-api"]["spec"]["replicas"] == 2


def test_databases_are_never_two_and_never_restart_unasked() -> None:
    """In StatefulSets whose pods are made anew only when they are deleted."""
    found = of_kind("dify", "StatefulSet")
    assert found.keys() == {"dify-db-postgres", "dify-redis", "dify-pgvector"}
    assert {tree["spec"]["updateStrategy"]["type"] for tree in found.values()} == {"OnDelete"}
    assert of_kind("dify-own", "StatefulSet").keys() == {"dify-weaviate"}


def test_another_version_or_configuration_is_another_job() -> None:
    """And the same one rendered again is the same."""
    found = dify("dify")
    job = job_of(found)
    assert job["metadata"]["name"].startswith("dify-migration-1-15-0-")
    assert job_of(found) == job
    migration = found.service("migration")
    other = replace(migration, environment={**migration.environment, "DB_HOST": "other"})
    changed = replace(found, services=tuple(other if one is migration else one for one in found.services))
    names = {
        job["metadata"]["name"],
        job_of(changed)["metadata"]["name"],
        job_of(replace(found, version="1.16.0"))["metadata"]["name"],
    }
    assert len(names) == 3
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_job_migrates() -> None:
    """The image does it in this mode alone, and only where that is switched on; all others never do."""
    for service in dify("dify").services:
        migrates = service.environment.get("MIGRATION_ENABLED") == "true"
        assert migrates == (service.environment.get("MODE") == "migration")


def test_a_configuration_that_no_cluster_takes_is_refused() -> None:
    """A ConfigMap has its limit."""
    service = Service("squid", "i:1", files={"/a": "x" * (1 << 20) + "y"})
    with pytest.raises(FreeholdError) as caught:
        list(service_objects(CASES["dify"], dify("dify"), service))
    assert caught.value.code == "kubernetes_config_too_large"


def test_a_second_port_is_reached_by_its_own_name() -> None:
    """Weaviate's gRPC."""
    ports = of_kind("dify-own", "Service")["dify-weaviate"]["spec"]["ports"]
    assert ports == [
        {"name": "http", "port": 8080, "targetPort": "http"},
        {"name": "port-50051", "port": 50051, "targetPort": "port-50051"},
    ]
