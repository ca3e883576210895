"""Names and labels of a Dify's objects."""

from freehold.deploy.kubernetes.dify.naming import host_of, of_service, pod_labels, selector_of
from tests.deploy.kubernetes.dify.cases import CASES, dify


def test_hosts_are_dns_labels_that_say_whose_they_are() -> None:
    """Beside the models' own."""
    assert host_of("db_postgres") == "dify-db-postgres"


def test_pods_have_no_version_and_objects_have_it() -> None:
    """A database that stays is not made anew by another version of Dify."""
    service = dify("dify").service("db_postgres")
    assert "app.kubernetes.io/version" not in pod_labels(service)
    assert pod_labels(service).items() >= selector_of("db_postgres").items()
    tree = of_service(CASES["dify"], dify("dify"), service, "v1", "Service")
    assert tree["metadata"]["labels"]["app.kubernetes.io/version"] == "1.15.0"
    assert tree["metadata"]["name"] == "dify-db-postgres"
