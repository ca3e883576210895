"""Objects at rest: what is written gets a version, and who watches hears of it."""

import copy
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.kubernetes_api import refusals
from tests.kubernetes_api.fields import Object, Owners, conflicts, leaves, managed_fields, merged, without
from tests.kubernetes_api.refusals import Resource
from tests.kubernetes_api.schemas import Path, Schema, Schemas, dotted

Event = Literal["ADDED", "MODIFIED", "DELETED"]
Place = tuple[str, str, str]
"""Of an object: the resource's qualified name, namespace, name."""
WHEN = "2026-01-01T00:00:00Z"
IMMUTABLE = {
    "Deployment": ("selector",),
    "Job": ("template", "selector", "completions"),
    "PersistentVolumeClaim": ("accessModes", "storageClassName", "volumeName"),
}


@dataclass(frozen=True)
class Change:
    """One thing that happened, for those who watch."""

    version: int
    event: Event
    resource: Resource
    object: Object


@dataclass
class Storage:
    """All objects of a cluster. Every method may be called from any thread."""

    schemas: Schemas
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    """Held while objects are written, and told of each change."""
    version: int = 1
    oldest: int = 0
    """Watches from before this version are gone."""
    changes: list[Change] = field(default_factory=list)
    on_write: Callable[[Resource, Event, Object], None] = lambda *_: None
    _objects: dict[Place, Object] = field(default_factory=dict)
    _owners: dict[Place, Owners] = field(default_factory=dict)

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """An object, or None."""
        with self.changed:
            return copy.deepcopy(self._objects.get((resource.qualified, namespace, name)))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """An object. Raises RefusalError 404."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise refusals.not_found(resource, name)
        return found

    def all(self, resource: Resource, namespace: str = "") -> Iterator[Object]:
        """Objects of a kind, of one namespace or of all, by name."""
        with self.changed:
            found = sorted(
                (p, o) for p, o in self._objects.items() if p[0] == resource.qualified and namespace in ("", p[1])
            )
            return iter([copy.deepcopy(one) for _, one in found])

    def create(self, resource: Resource, namespace: str, body: Object, manager: str, dry: bool = False) -> Object:
        """A new object. Raises RefusalError 409 where it is there, 422 where it is not valid."""
        with self.changed:
            meta = body.setdefault("metadata", {})
            if "generateName" in meta and not meta.get("name"):
                meta["name"] = f"{meta['generateName']}{uuid.uuid4().hex[:5]}"
            name = meta["name"]
            if self.find(resource, namespace, name) is not None:
                raise refusals.exists(resource, name)
            owned = frozenset(path for path, _ in leaves(self.schemas, self._schema(resource), body))
            return self._write(resource, namespace, name, None, body, {(manager, "Update"): owned}, dry)

    def update(
        self, resource: Resource, namespace: str, name: str, body: Object, manager: str, dry: bool = False
    ) -> Object:
        """An object replaced. Raises RefusalError 404, 409 where it is of an old version."""
        with self.changed:
            there = self.get(resource, namespace, name)
            seen = body.get("metadata", {}).get("resourceVersion")
            if seen is not None and seen != there["metadata"]["resourceVersion"]:
                raise refusals.outdated(resource, name)
            schema = self._schema(resource)
            before, after = (dict(leaves(self.schemas, schema, one)) for one in (there, body))
            touched = frozenset(path for path in after if before.get(path) != after[path])
            owners = {
                o: (owned & after.keys()) - touched for o, owned in self._owners_of(resource, namespace, name).items()
            }
            mine = (manager, "Update")
            owners[mine] = owners.get(mine, frozenset()) | touched
            return self._write(resource, namespace, name, there, body, owners, dry)

    def apply(
        self, resource: Resource, namespace: str, name: str, body: Object, manager: str, force: bool, dry: bool = False
    ) -> tuple[Object, bool]:
        """Server-side apply; the object, and whether it is new. Raises RefusalError 409 for fields of others, 500
        for unknown ones."""
        with self.changed:
            schema = self._schema(resource)
            faults = [one for one in self.schemas.faults(schema, body) if not one.is_missing]
            if faults:
                raise refusals.untyped(resource, namespace, name, faults)
            there = self.find(resource, namespace, name)
            owners = dict(self._owners_of(resource, namespace, name))
            mine = (manager, "Apply")
            wanted = dict(leaves(self.schemas, schema, body))
            found = dict(leaves(self.schemas, schema, there or {}))
            contested = conflicts(mine, wanted, found, owners)
            if contested and not force:
                raise refusals.contested(resource, contested)
            lost = {one.path for one in contested}
            owners = {owner: owned - lost if owner != mine else owned for owner, owned in owners.items()}
            left = owners.get(mine, frozenset()) - wanted.keys()
            left -= frozenset().union(*(owned for owner, owned in owners.items() if owner != mine))
            result: Any = there or {}
            for path in sorted(left, key=lambda path: (_names_its_element(path), str(path))):
                result = without(self.schemas, schema, result, path)
            result = merged(self.schemas, schema, result, {k: v for k, v in body.items() if k != "status"})
            owners[mine] = frozenset(wanted)
            return self._write(resource, namespace, name, there, result, owners, dry), there is None

    def set_status(self, resource: Resource, namespace: str, name: str, status: Object, **annotations: str) -> None:
        """What a controller says of an object; nothing where the object is gone."""
        with self.changed:
            there = self.find(resource, namespace, name)
            if there is not None and there.get("status") != status:
                there["status"] = status
                there["metadata"].setdefault("annotations", {}).update(annotations)
                self._put(resource, namespace, name, there, "MODIFIED")

    def mark_deleted(self, resource: Resource, namespace: str, name: str) -> None:
        """Deletion has been asked for, and waits for what depends on it."""
        with self.changed:
            there = self.get(resource, namespace, name)
            there["metadata"] |= {"deletionTimestamp": WHEN, "finalizers": ["foregroundDeletion"]}
            self._put(resource, namespace, name, there, "MODIFIED")

    def delete(self, resource: Resource, namespace: str, name: str) -> Object:
        """Take an object away. Raises RefusalError 404."""
        with self.changed:
            there = self.get(resource, namespace, name)
            place = (resource.qualified, namespace, name)
            del self._objects[place]
            self._owners.pop(place, None)
            self._tell(resource, "DELETED", there)
            return there

    def compact(self) -> None:
        """Forget what happened: watches from before now are refused with 410."""
        with self.changed:
            self.oldest = self.version
            self.changes.clear()
            self.changed.notify_all()

    def _schema(self, resource: Resource) -> Schema:
        return self.schemas.of(resource.api_version, resource.kind) or {}

    def _owners_of(self, resource: Resource, namespace: str, name: str) -> Owners:
        return self._owners.get((resource.qualified, namespace, name), {})

    def _write(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        there: Object | None,
        body: Object,
        owners: Owners,
        dry: bool,
    ) -> Object:
        """Validate, default, give it a version, keep it. What changes nothing keeps the version that it has."""
        body = {**body, "apiVersion": resource.api_version, "kind": resource.kind}
        body["metadata"] = {**body.get("metadata", {}), "name": name, **({"namespace": namespace} if namespace else {})}
        self._validate(resource, name, there, body)
        if there is None:
            body["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": WHEN, "generation": 1}
        else:
            kept = ("uid", "creationTimestamp", "generation", "resourceVersion")
            body["metadata"] |= {key: there["metadata"][key] for key in kept if key in there["metadata"]}
            if "status" in there:
                body["status"] = there["status"]
            if body.get("spec") != there.get("spec"):
                body["metadata"]["generation"] += 1
        body["metadata"]["managedFields"] = managed_fields(resource.api_version, owners)
        if dry:
            return body
        self._owners[resource.qualified, namespace, name] = owners
        if there is None or body != there:
            self._put(resource, namespace, name, body, "ADDED" if there is None else "MODIFIED")
        return self.get(resource, namespace, name)

    def _validate(self, resource: Resource, name: str, there: Object | None, body: Object) -> None:
        found = [
            (dotted(one.path)[1:], "FieldValueRequired" if one.is_missing else "FieldValueInvalid", one.words)
            for one in self.schemas.faults(self._schema(resource), body)
        ]
        for path in IMMUTABLE.get(resource.kind, ()):
            before, after = ((one or {}).get("spec", {}).get(path) for one in (there, body))
            if there is not None and before is not None and before != after:
                found.append((f"spec.{path}", "FieldValueInvalid", "Invalid value: field is immutable"))
        if found:
            raise refusals.invalid(resource, name, found)

    def _put(self, resource: Resource, namespace: str, name: str, body: Object, event: Event) -> None:
        body["metadata"]["resourceVersion"] = str(self.version + 1)
        self._objects[resource.qualified, namespace, name] = body
        self._tell(resource, event, body)

    def _tell(self, resource: Resource, event: Event, body: Object) -> None:
        self.version += 1
        told = copy.deepcopy(body)
        told["metadata"]["resourceVersion"] = str(self.version)
        self.changes.append(Change(self.version, event, resource, told))
        self.changed.notify_all()
        self.on_write(resource, event, told)


def _names_its_element(path: Path) -> bool:
    """Whether a leaf is one of the keys that name its element: taken away last, since the others are found by it."""
    return len(path) > 1 and not isinstance(path[-2], str) and path[-1] in dict(path[-2])
