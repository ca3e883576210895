"""What fields the objects of one Kubernetes version have, and how their lists and maps merge.

Read from the OpenAPI definitions that the package kubernetes-validate carries.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Schema = Mapping[str, Any]
Key = str | tuple[tuple[str, Any], ...]
"""One step of a path: a field's name, or the keys and values that name an element of a list."""
Path = tuple[Key, ...]
Merge = Literal["map", "set", "atomic"]

FREE: Schema = {}
"""What nothing is said about: any field may stand there."""


@cache
def definitions(version: str) -> Mapping[str, Schema]:
    """By name, those of `version`, which is of the form `1.31`."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    defined: dict[str, Schema] = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
    return defined


@cache
def kinds(version: str) -> Mapping[tuple[str, str], Schema]:
    """The schema of each kind, by its apiVersion and name."""
    named = (
        (known, definition)
        for definition in definitions(version).values()
        for known in definition.get("x-kubernetes-group-version-kind", ())
    )
    return {("/".join(filter(None, (known["group"], known["version"]))), known["kind"]): of for known, of in named}


@dataclass(frozen=True)
class Fault:
    """A field that cannot be as it is: where, and what is wrong in the API server's words."""

    path: Path
    words: str

    @property
    def is_missing(self) -> bool:
        """Something that must be there is not: told by validation, after the object could be read."""
        return self.words == "Required value"


@dataclass(frozen=True)
class Schemas:
    """The schemas of one version; `1.31`."""

    version: str

    def of(self, api_version: str, kind: str) -> Schema | None:
        """The schema of a kind; None where this version has no such kind."""
        return kinds(self.version).get((api_version, kind))

    def resolved(self, schema: Schema) -> Schema:
        """What a reference stands for."""
        reference = schema.get("$ref")
        return definitions(self.version)[reference.rpartition("/")[2]] if reference else schema

    def field(self, schema: Schema, name: str) -> Schema | None:
        """The schema of a field of an object; None where it has no such field."""
        properties = schema.get("properties", {})
        if name in properties:
            return self.resolved(properties[name])
        others = schema.get("additionalProperties", not properties)
        if isinstance(others, Mapping):
            return self.resolved(others)
        return FREE if others else None

    def items(self, schema: Schema) -> Schema:
        """The schema of a list's elements."""
        return self.resolved(schema.get("items", FREE))

    def faults(self, schema: Schema, value: Any, path: Path = ()) -> Iterator[Fault]:
        """Unknown fields, values of another type, and fields that must be there and are not."""
        if value is None:
            return
        wanted = _types(schema)
        if isinstance(value, Mapping):
            if wanted and "object" not in wanted:
                yield Fault(path, f"expected {_expected(wanted)}, got map")
                return
            for name, inner in value.items():
                known = self.field(schema, name)
                if known is None:
                    yield Fault((*path, name), "field not declared in schema")
                else:
                    yield from self.faults(known, inner, (*path, name))
            yield from (
                Fault((*path, name), "Required value") for name in schema.get("required", ()) if name not in value
            )
        elif isinstance(value, list):
            if wanted and "array" not in wanted:
                yield Fault(path, f"expected {_expected(wanted)}, got list")
                return
            for element in value:
                yield from self.faults(self.items(schema), element, (*path, element_key(schema, element)))
        elif wanted and _type_of(value) not in wanted:
            yield Fault(path, f"expected {_expected(wanted)}, got {_type_of(value)}")


def merge_of(schema: Schema) -> Merge:
    """How a list merges: by its elements' keys, as a set, or only as a whole."""
    kind = schema.get("x-kubernetes-list-type", "atomic")
    return kind if kind in ("map", "set") else "atomic"


def is_whole(schema: Schema, value: Any) -> bool:
    """Whether a value has one owner as a whole: a scalar, an atomic list or map, an empty one."""
    if isinstance(value, Mapping):
        return schema.get("x-kubernetes-map-type") == "atomic" or not value
    return not isinstance(value, list) or merge_of(schema) == "atomic" or not value


def element_key(schema: Schema, element: Any) -> Key:
    """What names an element of a list: its keys where the list merges by them (a port's protocol defaults to TCP)."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if not isinstance(element, Mapping) or not keys:
        return (("=", json.dumps(element, sort_keys=True)),)
    return tuple((key, element.get(key, "TCP" if key == "protocol" else None)) for key in keys)


def dotted(path: Path) -> str:
    """`.spec.containers[name="app"].image`, as the API server writes a path."""
    words = []
    for key in path:
        if isinstance(key, str):
            words.append(f".{key}")
        else:
            words.append(
                "[" + ",".join(value if name == "=" else f"{name}={json.dumps(value)}" for name, value in key) + "]"
            )
    return "".join(words)


def _types(schema: Schema) -> set[str]:
    """The JSON types that a schema allows; none: any."""
    if "oneOf" in schema:
        return set().union(*(_types(one) for one in schema["oneOf"]))
    named = schema.get("type", [])
    types = ({named} if isinstance(named, str) else set(named)) - {"null"}
    return types | {"integer"} if "number" in types else types


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


def _expected(wanted: set[str]) -> str:
    words = {"object": "map", "array": "list", "integer": "numeric (int or float)", "number": "numeric (int or float)"}
    return " or ".join(sorted({words.get(name, name) for name in wanted}))
