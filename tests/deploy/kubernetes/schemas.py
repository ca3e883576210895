"""The schemas of kubernetes-validate, loaded once a version: its own `validate` reads megabytes for each object."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource

Tree = dict[str, Any]

FOREIGN = {"ServiceMonitor", "Middleware"}
"""Kinds that others define."""
NORMALLY = ("1.25", "1.31", "1.37")
ALL = tuple(dict.fromkeys(version.rpartition(".")[0] for version in all_versions()))


def mistakes(tree: Tree, version: str) -> Iterator[str]:
    """What a strict check of `version` says against an object; nothing of kinds that others define."""
    if tree["kind"] not in FOREIGN:
        for error in _validator(version, tree["apiVersion"], tree["kind"]).iter_errors(tree):
            yield f"{tree['kind']}/{tree['metadata']['name']} {error.json_path}: {error.message}"


@cache
def _registry(version: str) -> Registry[Any]:
    return Resource.from_contents(_contents(version, "_definitions")) @ Registry()


@cache
def _validator(version: str, api: str, kind: str) -> Any:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)  # as its own `validate` names the files
    schema = _contents(version, f"{kind.lower()}-{group}")
    registry = Resource.from_contents(schema) @ _registry(version)
    return jsonschema.validators.Draft202012Validator(schema, registry=registry)


def _contents(version: str, name: str) -> Any:
    return schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)
