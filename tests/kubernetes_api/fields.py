"""Who owns which field of an object, and how an applied object is merged into the one that is there.

As server-side apply does it: an owner of each leaf, a conflict where another one's leaf would change, and what an
owner no longer applies goes away with it. https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.kubernetes_api.schemas import Key, Path, Schema, Schemas, element_key, is_whole

Object = dict[str, Any]
Owners = dict[tuple[str, str], frozenset[Path]]
"""By manager and operation (Apply or Update), the leaves that it owns."""

UNOWNED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
"""Of an object's metadata, what nobody owns."""


@dataclass(frozen=True)
class Conflict:
    """A leaf that an apply would change though another manager owns it."""

    manager: str
    path: Path


def leaves(schemas: Schemas, schema: Schema, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of an object that can have an owner, with its value."""
    if path and is_whole(schema, value):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if (not path and name in ("apiVersion", "kind", "status")) or (path == ("metadata",) and name in UNOWNED):
                continue
            yield from leaves(schemas, schemas.field(schema, name) or {}, inner, (*path, name))
    else:
        items = schemas.items(schema)
        for element in value:
            key = element_key(schema, element)
            if isinstance(element, Mapping):
                yield from leaves(schemas, items, element, (*path, key))
            else:
                yield (*path, key), element


def conflicts(
    mine: tuple[str, str], wanted: Mapping[Path, Any], there: Mapping[Path, Any], owners: Owners
) -> list[Conflict]:
    """Where others own what `mine` would change."""
    return [
        Conflict(owner[0], path)
        for owner, owned in sorted(owners.items())
        if owner != mine
        for path in sorted(owned & wanted.keys(), key=str)
        if there.get(path) != wanted[path]
    ]


def merged(schemas: Schemas, schema: Schema, there: Any, wanted: Any) -> Any:
    """`there`, with what `wanted` says."""
    if is_whole(schema, wanted):
        return copy.deepcopy(wanted)
    if isinstance(wanted, Mapping):
        result = dict(there) if isinstance(there, Mapping) else {}
        for name, value in wanted.items():
            result[name] = merged(schemas, schemas.field(schema, name) or {}, result.get(name), value)
        return result
    found = {element_key(schema, element): element for element in there or ()}
    for element in wanted:
        key = element_key(schema, element)
        found[key] = merged(schemas, schemas.items(schema), found.get(key), element)
    return list(found.values())


def without(schemas: Schemas, schema: Schema, value: Any, path: Path) -> Any:
    """`value` less the leaf at `path`, and less what holds nothing any more."""
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping) and isinstance(step, str) and step in value:
        if not rest:
            return {name: inner for name, inner in value.items() if name != step}
        inner = without(schemas, schemas.field(schema, step) or {}, value[step], rest)
        return {**value, step: inner} if inner not in ({}, []) else {k: v for k, v in value.items() if k != step}
    if isinstance(value, list):
        return list(_elements_without(schemas, schema, value, step, rest))
    return value


def _elements_without(schemas: Schemas, schema: Schema, value: list[Any], step: Key, rest: Path) -> Iterator[Any]:
    for element in value:
        if element_key(schema, element) != step:
            yield element
        elif rest:
            inner = without(schemas, schemas.items(schema), element, rest)
            if inner:
                yield inner


def managed_fields(api_version: str, owners: Owners) -> list[Object]:
    """`metadata.managedFields`: for each manager a tree of what it owns."""
    return [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(owned),
        }
        for (manager, operation), owned in sorted(owners.items())
        if owned
    ]


def _tree(owned: frozenset[Path]) -> Object:
    root: Object = {}
    for path in sorted(owned, key=str):
        node = root
        for key in path:
            node = node.setdefault(f"f:{key}" if isinstance(key, str) else f"k:{dict(key)}", {})
    return root
