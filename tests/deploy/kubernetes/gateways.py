"""Every copy of a deployment's gateway, as a program behind the API server's proxy."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import yaml

from freehold.deploy.kubernetes.cluster import READ_BY
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.kubernetes_api.backend import backend
from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.refusals import Resource
from tests.kubernetes_api.server import ApiServer
from tests.kubernetes_api.storage import Event

REQUESTS = 1000
"""Answered by each model between two looks at the metrics."""


def shares(text: str) -> dict[str, int]:
    """By service, the weight that a gateway's file gives it; of a model without a route all of its requests."""
    tree = yaml.safe_load(text)
    hosts = {one["id"]: one["source"].split("//")[1].split(":")[0] for one in tree["models"]}
    weights = dict.fromkeys(hosts.values(), 0)
    routes = {route["model"]: route["to"] for route in tree.get("routes", ())}
    for model in hosts:
        if "--" not in model:
            routes.setdefault(model, [{"id": model}])
    for targets in routes.values():
        for target in targets:
            weights[hosts[target["id"]]] += target.get("weight", 1)
    return weights


@dataclass
class Gateways:
    """Every copy of the gateway, as a program behind the API server's proxy.

    A copy reads its file when its pod was touched, as a kubelet has it. `sins` are what must never happen.
    """

    server: ApiServer
    leaving: str = ""
    coming: str = ""
    """The service that takes the place of another one, and that one."""
    url: str = ""
    in_force: dict[str, str] = field(default_factory=dict)
    sins: list[str] = field(default_factory=list)
    weighed: list[int] = field(default_factory=list)
    """The new version's share of a hundred, each time that a file changed it."""
    failing: set[str] = field(default_factory=set)
    """Services whose answers are errors."""
    answered: dict[tuple[str, str], int] = field(default_factory=dict)

    def hear(self, resource: Resource, event: Event, written: Object) -> None:
        """What was written to the cluster, before anybody else hears of it."""
        name = written["metadata"]["name"]
        if resource.kind == "Pod" and name.startswith("gateway-") and event != "DELETED":
            self._touched(name, written)
        elif resource.kind == "ConfigMap" and name == "gateway" and event != "DELETED":
            self._weighed(self.text())
        elif resource.kind == "Deployment" and ("deletionTimestamp" in written["metadata"] or event == "DELETED"):
            for text in self.in_force.values():
                if shares(text).get(name):
                    self.sins.append(f"{name} is stopped while it has weight")

    def text(self) -> str:
        """The file as it is written now."""
        found = self.server.object("ConfigMap", "gateway", NAMESPACE)
        return next(iter(found["data"].values())) if found else ""

    def is_ready(self, host: str) -> bool:
        """Whether that service answers."""
        found = self.server.object("Deployment", host, NAMESPACE)
        return bool(found and found.get("status", {}).get("availableReplicas"))

    def answer(self, pod: str, path: str) -> tuple[int, bytes]:
        """What a copy tells of itself."""
        text = self.in_force.get(pod, "")
        tree = yaml.safe_load(text) or {"models": []}
        hosts = {one["id"]: one["source"].split("//")[1].split(":")[0] for one in tree["models"]}
        if path == "/readyz":
            models = [
                {"id": model, "state": "ready" if self.is_ready(host) else "down"} for model, host in hosts.items()
            ]
            told = {"models": models, "configuration": sha256(text.encode()).hexdigest()}
            return 200, json.dumps(told).encode()
        for model, host in hosts.items():
            key = (model, "500" if host in self.failing else "200")
            self.answered[key] = self.answered.get(key, 0) + REQUESTS
        lines = [
            f'freehold_routed_requests_total{{route="r",model="{model}",status="{status}"}} {count}'
            for (model, status), count in self.answered.items()
        ]
        return 200, "\n".join([*lines, ""]).encode()

    def _touched(self, name: str, written: Object) -> None:
        self.server.backends[f"{NAMESPACE}/pods/{name}:8080"] = f"{self.url}/{name}"
        if name not in self.in_force or READ_BY in written["metadata"].get("annotations", {}):
            self.in_force[name] = self.text()

    def _weighed(self, text: str) -> None:
        there = shares(text)
        self.sins += [
            f"{host} has weight and is not ready" for host, weight in there.items() if weight and not self.hopes(host)
        ]
        coming = there.get(self.coming, 0)
        whole = there.get(self.leaving, 0) + coming
        share = round(100 * coming / whole) if whole else 0
        if self.weighed[-1:] != [share]:
            self.weighed.append(share)

    def hopes(self, host: str) -> bool:
        """At the very first nothing is ready, and nothing can be asked."""
        return self.is_ready(host) or not self.server.names("Deployment", NAMESPACE) or not self.in_force


@contextmanager
def gateways(server: ApiServer, leaving: str = "", coming: str = "") -> Iterator[Gateways]:
    """The copies of the gateway of that cluster."""
    made = Gateways(server, leaving, coming)

    def answering(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        _, pod, rest = path.split("/", 2)
        return made.answer(pod, f"/{rest}")

    controllers = server.storage.on_write

    def written(resource: Resource, event: Event, body: Object) -> None:
        made.hear(resource, event, body)
        controllers(resource, event, body)

    server.storage.on_write = written
    with backend(answering) as made.url:
        yield made
