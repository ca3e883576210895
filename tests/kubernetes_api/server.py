"""A Kubernetes API server for tests, over real HTTP: it stores, merges, watches, refuses and proxies as a real one.

It is a stand-in for a component that cannot be installed here. Its words are those of the real server's answers.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.kubernetes_api import refusals
from tests.kubernetes_api.controllers import Controllers
from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.kinds import BUILT_IN, NAMESPACE
from tests.kubernetes_api.refusals import RefusalError, Resource
from tests.kubernetes_api.requests import Answer, Listener, Request, selects
from tests.kubernetes_api.schemas import Schemas
from tests.kubernetes_api.storage import Storage

Refuse = Callable[[Request], RefusalError | None]


@dataclass
class ApiServer:
    """One cluster. What a test sets before or between requests is plain fields."""

    version: str = "1.31"
    user: str = "jane"
    token: str = ""
    """That requests must carry; "": none."""
    kinds: list[Resource] = field(default_factory=lambda: list(BUILT_IN))
    refuse: Refuse = lambda request: None
    """Asked before each request: RBAC, admission, a server that has too much to do."""
    backends: dict[str, str] = field(default_factory=dict)
    """By `NAMESPACE/services/NAME:PORT` or `NAMESPACE/pods/NAME:PORT`, the address that the proxy forwards to."""
    calls: list[Request] = field(default_factory=list)
    """Everything that was asked, in its order."""
    storage: Storage = field(init=False)
    controllers: Controllers = field(init=False)
    ending: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def __post_init__(self) -> None:
        self.storage = Storage(Schemas(self.version))
        self.controllers = Controllers(self.storage)
        self.add(NAMESPACE, "", "default")

    def add(self, resource: Resource, namespace: str, name: str, manager: str = "test", **body: Any) -> None:
        """An object that is there already."""
        self.storage.create(resource, namespace, {"metadata": {"name": name}, **body}, manager)

    def kind(self, name: str) -> Resource:
        """The resource of a kind; the newest of several versions."""
        return [one for one in self.kinds if one.kind == name][-1]

    def object(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """An object as it is now, or None."""
        return self.storage.find(self.kind(kind), namespace, name)

    def names(self, kind: str, namespace: str = "") -> list[str]:
        """Names of the objects of a kind that are there."""
        return [one["metadata"]["name"] for one in self.storage.all(self.kind(kind), namespace)]

    def writes(self) -> list[str]:
        """`patch deployments.apps/NAME` for each write that was asked for, in their order."""
        return [one.told for one in self.calls if one.verb not in ("get", "list", "watch") and not one.sub]

    @contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator["ApiServer"]:
        """Listen on loopback meanwhile."""
        with Listener(self.answer).listening(tls) as self.url:
            self.controllers.start()
            try:
                yield self
            finally:
                self.ending.set()
                self.controllers.stop()

    def answer(self, request: Request) -> Answer:
        """What is answered. Raises RefusalError."""
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            raise refusals.unauthorized()
        if request.path == "/version":
            major, _, minor = self.version.partition(".")
            return Answer.of({"major": major, "minor": minor, "gitVersion": f"v{self.version}.0"})
        request.find_resource(self.kinds)
        with self.storage.changed:
            self.calls.append(request)
        refusal = self.refuse(request)
        if refusal is not None:
            raise refusal
        act = {"create": self._create, "update": self._update, "patch": self._patch, "delete": self._delete}
        if request.sub == "log":
            return self._log(request)
        if request.sub == "proxy":
            return request.forwarded(self.backends)
        if request.verb in act:
            return act[request.verb](request)
        if request.verb == "watch":
            return Answer(200, self._watch(request))
        if request.verb == "list":
            return Answer.of(self._list(request))
        return Answer.of(self.storage.get(request.resource, request.namespace, request.name))

    def _create(self, request: Request) -> Answer:
        self._check_namespace(request)
        body = json.loads(request.body)
        made = self.storage.create(request.resource, request.namespace, body, request.manager, request.dry)
        return Answer.of(made, 201)

    def _update(self, request: Request) -> Answer:
        body = json.loads(request.body)
        place = (request.resource, request.namespace, request.name)
        return Answer.of(self.storage.update(*place, body, request.manager, request.dry))

    def _patch(self, request: Request) -> Answer:
        self._check_namespace(request)
        place = (request.resource, request.namespace, request.name)
        if request.headers["content-type"].startswith("application/apply-patch"):
            body = yaml.safe_load(request.body)
            force = request.query.get("force") == "true"
            made, is_new = self.storage.apply(*place, body, request.manager, force, request.dry)
            return Answer.of(made, 201 if is_new else 200)
        with self.storage.changed:  # nobody writes in between: a real one tries again by itself
            merged = _merge_patched(self.storage.get(*place), json.loads(request.body))
            return Answer.of(self.storage.update(*place, merged, request.manager, request.dry))

    def _delete(self, request: Request) -> Answer:
        place = (request.resource, request.namespace, request.name)
        there = self.storage.get(*place)
        policy = request.query.get("propagationPolicy", "Orphan" if request.resource.kind == "Job" else "Background")
        if policy == "Foreground" and request.resource.kind == "Deployment":
            self.storage.mark_deleted(*place)
            return Answer.of(there)
        self.storage.delete(*place)
        if request.resource.kind == "Job" and policy != "Orphan":
            self.storage.delete(self.kind("Pod"), request.namespace, f"{request.name}-pod")
        return Answer.of({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _list(self, request: Request) -> Object:
        with self.storage.changed:
            found = [one for one in self.storage.all(request.resource, request.namespace) if selects(request, one)]
            meta = {"resourceVersion": str(self.storage.version)}
        kind = f"{request.resource.kind}List"
        return {"kind": kind, "apiVersion": request.resource.api_version, "metadata": meta, "items": found}

    def _watch(self, request: Request) -> Iterator[bytes]:
        """Lines of events; without a version, first what is there. Ends when the server does."""
        version = int(request.query.get("resourceVersion") or -1)
        if version < 0:
            listed = self._list(request)
            version = int(listed["metadata"]["resourceVersion"])
            yield from (_line("ADDED", one) for one in listed["items"])
        while not self.ending.is_set():
            with self.storage.changed:
                if version < self.storage.oldest:
                    yield _line("ERROR", refusals.gone(version, self.storage.oldest).status())
                    return
                news = [one for one in self.storage.changes if one.version > version]
                if not news:
                    self.storage.changed.wait(0.05)
                version = news[-1].version if news else version
            for change in news:
                inside = request.namespace in ("", change.object["metadata"].get("namespace", ""))
                if change.resource == request.resource and inside and selects(request, change.object):
                    yield _line(change.event, change.object)

    def _log(self, request: Request) -> Answer:
        pod = self.storage.get(request.resource, request.namespace, request.name)
        statuses = pod.get("status", {}).get("containerStatuses", [])
        waiting = statuses[0]["state"].get("waiting") if statuses else {"reason": "ContainerCreating"}
        if waiting and "lastState" not in (statuses or [{}])[0]:
            name = pod["spec"]["containers"][0]["name"]
            words = f'container "{name}" in pod "{request.name}" is waiting to start: {waiting["reason"]}'
            raise RefusalError(400, "BadRequest", words)
        lines = self.controllers.logs.get(request.name, ())
        tail = int(request.query.get("tailLines", len(lines) or 1))
        return Answer(200, iter([f"{line}\n".encode() for line in lines[-tail:]]), "text/plain")

    def _check_namespace(self, request: Request) -> None:
        if request.namespace and self.storage.find(NAMESPACE, "", request.namespace) is None:
            raise refusals.not_found(NAMESPACE, request.namespace)


def _line(event: str, body: Object) -> bytes:
    return json.dumps({"type": event, "object": body}).encode() + b"\n"


def _merge_patched(there: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(there) if isinstance(there, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_patched(result.get(name), value)
    return result
