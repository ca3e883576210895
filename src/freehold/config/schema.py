"""The JSON Schema of a configuration file, made from the shapes and shipped beside them for editors."""

import json
from pathlib import Path
from typing import Any

import msgspec

from freehold.config.canonical import ALIASES
from freehold.config.shapes import Config

SCHEMA_FILE = Path(__file__).with_name("freehold.schema.json")


def schema() -> dict[str, Any]:
    """The schema of a whole file (draft 2020-12): the shapes, and the other forms that a file may take."""
    generated = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Config)))
    definitions: dict[str, Any] = generated["$defs"]
    top = definitions.pop("Config")
    _accept_aliases(definitions["ModelConfig"])
    definitions["Dify"]["oneOf"] = [_given("url"), _given("version")]
    top["properties"] |= {
        "model": {"description": "The only model: short for `models` with one entry.", "$ref": "#/$defs/ModelConfig"},
    }
    named = ({"required": [name]} for name in ("source", "path", "versions"))
    top["properties"]["models"]["items"]["anyOf"] = list(named)
    top["not"] = {"required": ["model", "models"]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "freehold.yaml"}
    return {**head, **{key: value for key, value in top.items() if key != "title"}, "$defs": definitions}


def schema_text() -> str:
    """The schema as the package ships it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _accept_aliases(model: dict[str, Any]) -> None:
    """A file may leave the id out, and call `source` and `context_length` by their other names."""
    properties = model["properties"]
    for alias, name in ALIASES.items():
        properties[alias] = {**properties[name], "description": f"Another name of `{name}`."}
    model["required"] = []
    model["allOf"] = [{"not": {"required": [alias, name]}} for alias, name in ALIASES.items()]


def _given(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": "string"}}}
