"""How two artifacts of the store differ: what their manifests say, their files, what reports measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from freehold.artifact import Manifest
from freehold.store.oci import REPORT, UNREADABLE
from freehold.store.store import Store, Stored


@dataclass(frozen=True)
class Change:
    """One value on both sides; None where a side has none."""

    a: Any
    b: Any


@dataclass(frozen=True)
class FileChange:
    """One file on both sides: sizes in bytes, None where a side lacks it."""

    a: int | None
    b: int | None


def manifest_changes(a: Manifest, b: Manifest) -> dict[str, Change]:
    """Fields that differ, files aside, by their dotted names."""
    return _changes(_fields(a), _fields(b))


def file_changes(a: Manifest, b: Manifest) -> dict[str, FileChange]:
    """Files that are on one side only, or differ in content, by name."""
    names = sorted(a.files.keys() | b.files.keys())
    sides = {name: (a.files.get(name), b.files.get(name)) for name in names}
    return {
        name: FileChange(one.size if one else None, other.size if other else None)
        for name, (one, other) in sides.items()
        if one != other
    }


def metric_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Change]:
    """Values of reports that differ, by their dotted names."""
    return _changes(a, b)


def metrics_of(store: Store, stored: Stored) -> dict[str, Any]:
    """What the reports attached to an artifact measured, flat, by dotted names; of two, the later one counts.

    A report is a JSON object; a file that is none is passed over. Raises what reading a blob raises.
    """
    found: dict[str, Any] = {}
    for referrer in store.referrers(stored, REPORT):
        for blob in referrer.files.values():
            try:
                report = msgspec.json.decode(store.blobs.read(blob.digest), type=dict[str, Any])
            except UNREADABLE:
                continue
            found |= flat(report)
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one, with names like "limits.max_tokens"; lists stay values."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _fields(manifest: Manifest) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(manifest)
    del fields["files"]
    return flat(fields)


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Change]:
    names = dict.fromkeys((*a, *b))
    return {name: Change(a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}
