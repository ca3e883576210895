"""A place where services run, as small as a rollout can be shown one: containers, and a gateway that reads its file.

A program of its own with a clock of its own: time passes only while the rollout sleeps. It notes what must never
happen, whoever asks for it: weight on what is not ready, and the end of what has weight.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import msgspec
import numpy as np
import yaml

from freehold.config import Config, Deploy, Dify, ModelConfig
from freehold.deploy.releases.rolling import Clock
from freehold.deploy.releases.staging import digest, final, hosts
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Running
from freehold.errors import FreeholdError

REQUESTS_A_S = 200.0


class Killed(BaseException):
    """The process that deploys was killed: nothing of it runs any more, no cleaning up either."""


@dataclass
class Container:
    """One service. `ends_at`: when it ends by itself."""

    unit: Unit
    ready_at: float
    ends_at: float = float("inf")

    def state(self, now: float) -> Literal["starting", "ready", "failed"]:
        """As Docker would have it."""
        if now >= self.ends_at:
            return "failed"
        return "ready" if now >= self.ready_at else "starting"


@dataclass
class Flaws:
    """What is wrong with versions, by the precision that they are configured with."""

    unverifiable: set[str] = field(default_factory=set)
    lives_s: dict[str, float] = field(default_factory=dict)
    answers: dict[str, float] = field(default_factory=dict)
    """The angle by which its vectors are turned."""
    fails: set[str] = field(default_factory=set)


@cache
def read(text: str) -> dict[str, Any]:
    """A gateway's file."""
    tree: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    return tree


def services(text: str) -> dict[str, str]:
    """By model, the service that computes it."""
    return {one["id"]: one["source"].split("//")[1].split(":")[0] for one in read(text).get("models", ())}


@dataclass
class DifyPlace:
    """Implements `DifyTarget`: notes what it is asked, and how many services of the models run then."""

    world: "World"
    seen: list[tuple[str, int]] = field(default_factory=list)
    fault: BaseException | None = None
    there: str | None = None
    runs: bool = False

    def version(self) -> str | None:
        return self.there

    def verify(self, deployment: Deployment) -> None:
        pass

    def start(self, deployment: Deployment, say: Callable[[str], None]) -> None:
        self.seen.append(("start", len(self.world.running())))
        if self.fault is not None:
            raise self.fault
        assert deployment.config.dify is not None
        self.there, self.runs = deployment.config.dify.version, True

    def hosts(self, deployment: Deployment) -> Mapping[str, str]:
        return {"api": "api", "worker": "worker"}

    def running(self) -> Sequence[Running]:
        return [Running("api", "ready")] if self.runs else []

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        yield f"of {host}"

    def stop(self) -> None:
        self.seen.append(("stop", len(self.world.running())))
        self.runs = False


class World:
    """Implements `Target`. `dies_at`: the call at which the process that deploys is killed, counted from 1."""

    def __init__(self, flaws: Flaws | None = None) -> None:
        self.now = 0.0
        self.loads_s = 3.0
        self.reads_s = 0.3
        self.flaws = flaws or Flaws()
        self.dies_at: int | None = None
        self.calls = 0
        self.containers: dict[str, Container] = {}
        self.text = self.in_force = ""
        self.written_at = 0.0
        self.in_force_before: frozenset[str] = frozenset()
        self.sins: list[str] = []
        self.counts: dict[tuple[str, str], float] = {}
        self.told: list[str] = []
        self.clock = Clock(lambda: self.now, self.pass_time)
        self.dify = DifyPlace(self)

    def pass_time(self, seconds: float) -> None:
        """Requests are answered meanwhile, by whom the file in force names."""
        self.now += seconds
        for shares in self.shares(self.in_force).values():
            for (model, host), share in shares.items():
                status = "200" if self.is_ready(host) and self.version(host) not in self.flaws.fails else "500"
                key = (model, status)
                self.counts[key] = self.counts.get(key, 0.0) + share * REQUESTS_A_S * seconds
        self._read()

    def is_ready(self, host: str) -> bool:
        """Whether that service answers."""
        return host in self.containers and self.containers[host].state(self.now) == "ready"

    def version(self, host: str) -> str:
        """The precision of the first model of that service: what tells versions apart here."""
        return self.containers[host].unit.models[0].precision

    def alive(self) -> set[str]:
        """The services that run, the gateway aside."""
        return {name for name, one in self.containers.items() if one.unit.role != "gateway" and self._lives(one)}

    def shares(self, text: str) -> dict[str, dict[tuple[str, str], float]]:
        """By route the share of each model, 0 to 1, and the service that it is."""
        tree, there = read(text), services(text)
        routes = {
            one["model"]: {each["id"]: each.get("weight", 1) for each in one["to"]} for one in tree.get("routes", ())
        }
        for model in there:
            if "--" not in model:
                routes.setdefault(model, {model: 1})
        return {
            name: {(one, there[one]): weight / sum(to.values()) for one, weight in to.items() if weight}
            for name, to in routes.items()
        }

    # what a rollout asks

    def running(self) -> Sequence[Running]:
        self._called("running")
        return [self._shown(host, one) for host, one in self.containers.items()]

    def verify(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        self._called("verify")
        for model in (model for unit in units for model in unit.models):
            if model.precision in self.flaws.unverifiable:
                raise FreeholdError("model_loading", model=model.id)

    def start(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        self._called(f"start {' '.join(hosts(units))}")
        for unit in units:
            if unit.role == "gateway":
                for other in [name for name, one in self.containers.items() if one.unit.role == "gateway"]:
                    del self.containers[other]
                self._write(final(deployment))
            lives_s = self.flaws.lives_s.get(unit.models[0].precision, float("inf")) if unit.models else float("inf")
            self.containers[unit.host] = Container(unit, self.now + self.loads_s, self.now + lives_s)

    def scale(self, deployment: Deployment, units: Sequence[Unit], places: Mapping[str, str], percent: int) -> str:
        self._called("scale")
        return ""

    def route(self, deployment: Deployment, text: str) -> None:
        self._called("route")
        before = {host for shares in self.shares(self.text).values() for _, host in shares}
        after = {host for shares in self.shares(text).values() for _, host in shares}
        for host in after - before - self.in_force_before:
            if not self.is_ready(host):
                self.sins.append(f"weight on {host}, which is not ready")
        self._write(text)

    def stop(self, hosts: Sequence[str]) -> None:
        self._called(f"stop {' '.join(hosts)}")
        gateway = any(one.unit.role == "gateway" and name not in hosts for name, one in self.containers.items())
        for text in (self.text, self.in_force) if gateway else ():
            for shares in self.shares(text).values():
                self.sins += [f"{host} was stopped and has weight" for _, host in shares if host in hosts]
        for host in hosts:
            del self.containers[host]

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        self._called(f"{method} {path}")
        if not any(one.unit.role == "gateway" and one.state(self.now) == "ready" for one in self.containers.values()):
            raise FreeholdError("upstream_unreachable", model="gateway", reason="nobody listens", retry_after_s=1)
        if path == "/readyz":
            return 200, json.dumps({"configuration": digest(self.in_force), "models": self._models()}).encode()
        if path == "/metrics":
            return 200, self._metrics().encode()
        if path == "/v1/embeddings":
            return self._embedded(json.loads(body))
        return 404, b"{}"

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        yield f"{host} started"

    def _called(self, what: str) -> None:
        if self.dies_at is not None and self.calls >= self.dies_at:
            raise Killed
        self.calls += 1
        self.told.append(what)

    def _lives(self, one: Container) -> bool:
        return one.state(self.now) != "failed"

    def _shown(self, host: str, one: Container) -> Running:
        state = one.state(self.now)
        reason = FreeholdError("nothing_loaded", models=host) if state == "failed" else None
        return Running(host, state, reason)

    def _write(self, text: str) -> None:
        self.text, self.written_at = text, self.now

    def _read(self) -> None:
        if self.now >= self.written_at + self.reads_s:
            self.in_force = self.text

    def _models(self) -> list[dict[str, str]]:
        states = ((one, self.is_ready(host)) for one, host in services(self.in_force).items())
        return [{"id": one, "state": "ready" if ready else "failed"} for one, ready in states]

    def _metrics(self) -> str:
        lines = ["# TYPE freehold_routed_requests_total counter"]
        lines += [
            f'freehold_routed_requests_total{{route="a",model="{model}",status="{status}"}} {count:.0f}'
            for (model, status), count in sorted(self.counts.items())
        ]
        return "\n".join(lines) + "\n"

    def _embedded(self, asked: Mapping[str, object]) -> tuple[int, bytes]:
        host = services(self.in_force).get(str(asked["model"]), "")
        if not self.is_ready(host):
            return 503, b"{}"
        angle = self.flaws.answers.get(self.version(host), 0.0)
        texts = asked["input"]
        assert isinstance(texts, list)
        vectors = [[float(np.cos(place + angle)), float(np.sin(place + angle))] for place in range(len(texts))]
        data = [{"embedding": vector, "index": place} for place, vector in enumerate(vectors)]
        return 200, json.dumps({"data": data}).encode()


def deployment(*versions: str, **settings: object) -> Deployment:
    """One service for each of `versions`, named a, b, ...: the precision tells versions of it apart."""
    models = tuple(
        ModelConfig(id=name, source=f"/models/{name}", precision=version)  # type: ignore[arg-type]  # words of the configuration
        for name, version in zip("abc", versions, strict=False)
        if version
    )
    return Deployment.of(Config(models=models, deploy=Deploy(**settings)))  # type: ignore[arg-type]  # words of the configuration


def with_dify(deployment: Deployment, version: str) -> Deployment:
    """The same with a Dify beside it."""
    return replace(deployment, config=msgspec.structs.replace(deployment.config, dify=Dify(version=version)))
