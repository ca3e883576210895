"""The OpenAPI document. What a fuzzer makes of it is in tests/e2e/test_fuzz.py."""

import httpx
import pytest

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
