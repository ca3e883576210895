"""What runs beside a Dify for a while."""

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.aside import files_pod, remove_files_pods, start_files_pod, step_job
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.deploy.kubernetes.dify.cases import CASES, dify, pods_by_service
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.server import ApiServer


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(server.kind("Namespace"), "", NAMESPACE)


@pytest.mark.parametrize("name", ["api", "plugin_daemon"])
def test_a_pod_for_files_has_nothing_but_them(server: ApiServer, name: str) -> None:
    """The service's user and its rights, no variables, no secret, and labels that no Service and no policy selects."""
    tree = files_pod(CASES["dify-own"], dify("dify-own"), dify("dify-own").service(name))
    server.storage.create(server.kind("Pod"), NAMESPACE, tree, "test")  # as the schema has it
    service, (container,) = pods_by_service("dify-own")[name], tree["spec"]["containers"]
    assert container["command"][0] == "sleep"
    assert not {"env", "envFrom", "ports", "lifecycle", "args"} & container.keys()
    assert container["securityContext"] == service["containers"][0]["securityContext"]
    assert tree["spec"]["securityContext"] == service["securityContext"]
    assert tree["spec"]["imagePullSecrets"] == service["imagePullSecrets"]
    kept = {volume.name for volume in dify("dify-own").service(name).volumes}
    assert {one["name"] for one in tree["spec"]["volumes"]} == kept
    assert {one["name"] for one in container["volumeMounts"]} == kept
    assert tree["metadata"]["labels"]["app.kubernetes.io/instance"].endswith("-files")


def test_one_is_used_again_and_removed(server: ApiServer, api: Api) -> None:
    """One that has ended is made anew."""
    tree = files_pod(CASES["dify"], dify("dify"), dify("dify").service("api"))
    assert start_files_pod(api, tree, 0.05) == "dify-api-files"
    uid = server.object("Pod", "dify-api-files", NAMESPACE)
    start_files_pod(api, tree, 0.05)
    assert server.object("Pod", "dify-api-files", NAMESPACE) == uid
    server.storage.set_status(server.kind("Pod"), NAMESPACE, "dify-api-files", {"phase": "Succeeded"})
    start_files_pod(api, tree, 0.05)
    remove_files_pods(api)
    assert server.names("Pod", NAMESPACE) == []


def test_what_keeps_it_from_starting_is_told(server: ApiServer, api: Api) -> None:
    """A volume that a dead node still has; no pod is left."""
    server.controllers.outcomes["dify-api-files"] = Outcome("image", message="manifest unknown: not found")
    with pytest.raises(FreeholdError) as failed:
        start_files_pod(api, files_pod(CASES["dify"], dify("dify"), dify("dify").service("api")), 0.05)
    assert failed.value.code == "dify_service_failed"
    assert "dify-api-files" in failed.value.cause
    assert server.names("Pod", NAMESPACE) == []


def test_a_step_is_the_migration_with_other_words(server: ApiServer) -> None:
    """Its image, variables and pods' labels, by which policies let it to the databases."""
    migration = dify("dify").service("migration")
    job = step_job(CASES["dify"], dify("dify"), migration, ("flask", "x"))
    server.storage.create(server.kind("Job"), NAMESPACE, job, "test")
    container = job["spec"]["template"]["spec"]["containers"][0]
    theirs = pods_by_service("dify")["migration"]["containers"][0]
    assert container["command"] == ["flask", "x"]
    assert (container["image"], container["env"], container["envFrom"]) == (
        theirs["image"],
        theirs["env"],
        theirs["envFrom"],
    )
    assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"] == "dify-migration"
    assert job["metadata"]["name"].startswith("dify-step-1-15-0-")
