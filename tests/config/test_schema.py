"""The JSON Schema that editors use."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from freehold.config.decode import check
from freehold.config.document import parse_document
from freehold.config.schema import SCHEMA_FILE, schema, schema_text

KWARGS = "model: {path: a, chat_template_kwargs: {enable_thinking: false}, generation: {slots: 2}}"


@pytest.fixture(scope="module")
def validator() -> Any:
    """A validator for the schema, which is itself a valid one."""
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_the_shipped_schema_is_the_generated_one() -> None:
    """`make docs` writes it again."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text()) == schema()


def test_the_examples_fit_the_schema(validator: Any, handbook: str, whole: str) -> None:
    """What loads, an editor accepts."""
    for text in (handbook, whole, "models: [{path: a}]", KWARGS, "model: {input_shape: [1, -1]}", "{}"):
        validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "modles: []",
        "models: [{id: a}]",
        "models: [{source: a, path: b}]",
        "models: [{source: a, context_length: 1, max_tokens: 1}]",
        "models: [{source: a, key: sk-1}]",
        "models: [{source: a, input_shape: [0]}]",
        "models: [{source: a, device: gpu}]",
        "models: [{source: a, chat_template_kwargs: {a: [1]}}]",
        "models: [{source: a, abilities: [hearing]}]",
        "{model: {path: a}, models: []}",
        "dify: {}",
        "dify: {url: 'https://d', version: 1.15.0}",
        "server: {port: 0}",
    ],
)
def test_what_does_not_load_does_not_fit(text: str, validator: Any) -> None:
    """An editor underlines what the loader would refuse."""
    assert not validator.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text", ["server: {port: http}", "limits: {queue: -1}", "routes: [{to: []}]", "access: {auth: x}"]
)
def test_schema_and_loader_agree(text: str, validator: Any) -> None:
    """Both refuse the same values."""
    assert check(parse_document(text, "f.yaml")[0])
    assert not validator.is_valid(yaml.safe_load(text))
