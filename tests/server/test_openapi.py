"""The OpenAPI document, and a fuzzer that reads it."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.schemas import BaseSchema

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


@pytest.fixture(scope="session")
def described(node_url: str) -> BaseSchema:
    """The node as schemathesis sees it."""
    return schemathesis.openapi.from_url(f"{node_url}/openapi.json")


def fuzz(described: BaseSchema, operation: str, mode: GenerationMode) -> None:
    """Send generated requests, to a model that is there: a made-up one would be all that is ever refused.

    What loads and unloads has a model of its own, or other tests would miss theirs.
    """
    method, path = operation.split()
    named = {"rerank": "judge", "infer": "fp32", "repository": "spare"}
    model = next((name for part, name in named.items() if part in path), "tiny")

    @given(described[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        if "model" in case.path_parameters:
            case.path_parameters["model"] = model
        if isinstance(case.body, dict):
            case.body.pop("model", None)
        answer = case.call(timeout=20)
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
        if answer.status_code >= 400:
            assert "error" in answer.json()

    ask()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_requests_that_the_document_allows_break_nothing(described: BaseSchema, operation: str) -> None:
    """What follows the schemas is answered or refused: no 5xx but 501, and an error is JSON that says so."""
    fuzz(described, operation, GenerationMode.POSITIVE)


@pytest.mark.parametrize("operation", [operation for operation, known in OPERATIONS.items() if known.requests])
def test_requests_that_the_document_forbids_break_nothing(described: BaseSchema, operation: str) -> None:
    """The same for what breaks the schemas in every way the fuzzer knows."""
    fuzz(described, operation, GenerationMode.NEGATIVE)
