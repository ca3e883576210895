"""The OpenAPI document, and a fuzzer that reads it."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from freehold.server.openapi import OPERATIONS


@pytest.fixture
def document(node: httpx.Client) -> dict:
    """The node's document."""
    return node.get("/openapi.json").json()


def test_every_route_is_described(document: dict) -> None:
    """Each path that is known has summary, answer and error; the document names no path that is not there."""
    listed = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert set(OPERATIONS) <= listed
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert {"200", "default"} <= set(operation["responses"])


def test_references_are_all_there(document: dict) -> None:
    """Every schema that is referred to is among the components."""

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return found.union(*map(references, node.values()))
        return set().union(*map(references, node)) if isinstance(node, list) else set()

    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert names
    assert names <= set(document["components"]["schemas"])


def test_health_needs_no_key_and_the_rest_may(document: dict) -> None:
    """Public routes say that they need nothing."""
    assert document["paths"]["/livez"]["get"]["security"] == []
    assert {"key": []} in document["paths"]["/v1/embeddings"]["post"]["security"]


schema = schemathesis.pytest.from_fixture("described_node")


@pytest.fixture(scope="session")
def described_node(node_url: str) -> schemathesis.schemas.BaseSchema:
    """The node as schemathesis sees it."""
    return schemathesis.openapi.from_url(f"{node_url}/openapi.json")


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_generated_request_breaks_the_server(case: schemathesis.Case) -> None:
    """Whatever the document allows or forbids, the answer is no 5xx but 501, and errors are JSON of their dialect."""
    answer = case.call(timeout=20)
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if answer.status_code >= 400 and case.method != "HEAD":
        assert "error" in answer.json()
