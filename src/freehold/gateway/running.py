"""The gateway of a node while it runs: servers watched or started, and a configuration that may change meanwhile."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from freehold.config import Config, ModelConfig, owners
from freehold.errors import FreeholdError
from freehold.gateway.front import Front
from freehold.gateway.routing.selection import Absent, Candidate, Here, able, hopeful, unable
from freehold.gateway.routing.table import RouteTable, Weights
from freehold.gateway.upstreams.child import Child
from freehold.gateway.upstreams.upstream import Upstream
from freehold.gateway.wire.pool import Pools
from freehold.http import Route

log = logging.getLogger(__name__)

Make = Callable[[ModelConfig, Config], Upstream]


@dataclass(frozen=True)
class Shown:
    """A route, shown beside the models as one of them."""

    id: str
    front: Front
    created: int = field(default_factory=lambda: int(time.time()))
    vital: ClassVar[bool] = False  # its models count, each for itself

    @property
    def to(self) -> list[str]:
        """The models that share its requests."""
        return [variant.id for variant in self.front.table.find(self.id).variants if variant.percent]

    @property
    def state(self) -> str:
        """What a client can expect of it."""
        route = self.front.table.find(self.id)
        if able(route, route.variants[0].id, self.front.models) is not None:
            return "ready"
        return "loading" if hopeful(route, self.front.models) else "failed"

    @property
    def error(self) -> FreeholdError | None:
        """Why it does not answer."""
        return None if self.state == "ready" else unable(self.front.table.find(self.id), self.front.models)

    @property
    def abilities(self) -> Sequence[str]:
        """What all of its models that tell can do."""
        told = [abilities for name in self.to if (abilities := self.front.models[name].abilities)]
        return [ability for ability in told[0] if all(ability in one for one in told)] if told else []


class Gateway:
    """All routes of a node, and its models that other servers compute. Used from the event loop's thread only.

    `front` answers requests. `upstreams` are the models elsewhere, `shown` these and the routes: one list, which stays
    the same object when its entries change.
    """

    def __init__(
        self,
        config: Config,
        front: Front,
        make: Make,
        started: Mapping[str, Upstream],
        children: Sequence[Child],
        here: Sequence[Here],
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        """`make` makes a model elsewhere; `started` are those whose servers `children` start, which is done once."""
        self.front = front
        self.upstreams: list[Upstream] = []
        self.shown: list[Upstream | Shown] = []
        self._make = make
        self._started = started
        self._children = children
        self.here: Mapping[str, Here] = {model.id: model for model in here}
        """The models that this process computes; `adopt` takes up others."""
        self._trusted = trusted
        self.is_in_front = front.alone or len(config.models) > 1 or bool(config.routes) or not here
        """Whether names are looked at: a node with one model of its own answers without."""
        self.config = Config()
        self.configured: Mapping[str, ModelConfig] = {}
        """The models of `config` by their ids: a thousand of them are looked up many times a second."""
        self.owners: Mapping[str, str] = {}
        """The tenants of those names that belong to one."""
        self._routes: dict[str, Shown] = {}
        self._watches: dict[Upstream, asyncio.Task[None]] = {}
        self.adopt(config)

    def adopt(self, config: Config, weights: Weights = MappingProxyType({})) -> None:
        """Serve by `config` from now on, with `weights` of routes in place of its own.

        What is not said otherwise keeps its connections and what is known of it; requests under way end where they are.
        Servers that this node starts stay as they were when it began. Raises `gateway_not_in_front`.
        """
        table = RouteTable.of(config, weights)
        elsewhere = any(model.hosting == "upstream" for model in config.models)
        if not self.is_in_front and (config.routes or elsewhere):
            raise FreeholdError("gateway_not_in_front")
        configured = {model.id: model for model in config.models}
        before = self.configured if config.gateway == self.config.gateway else {}
        models = {name: self._model(model, config, before.get(name)) for name, model in configured.items()}
        gone = self.configured.keys() - models.keys()
        self.owners = owners(config)
        self.config, self.configured, self.front.models, self.front.table = config, configured, models, table
        self.upstreams[:] = [model for model in models.values() if isinstance(model, Upstream)]
        routes = [self._routes.get(name) or Shown(name, self.front) for name in table.names if name not in models]
        self._routes = {route.id: route for route in routes}
        self.shown[:] = [*self.upstreams, *routes]
        if self.front.pools is not None:
            self._watch(self.front.pools)
        for name in gone:
            self.front.telemetry.forget(name)

    def _model(self, model: ModelConfig, config: Config, before: ModelConfig | None) -> Candidate:
        """Who answers for it: who did, where the configuration says the same of it as `before`."""
        if model.hosting != "upstream":
            return self._started.get(model.id) or self.here.get(model.id) or Absent(model.id)
        known = self.front.models.get(model.id)
        if known is not None and model == before:
            return known
        made = self._make(model, config)
        if isinstance(known, Upstream):
            made.inherit(known)
        return made

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """While it lasts, servers are started and watched; at its end none of ours is left."""
        pools = self.front.pools = Pools(self._trusted)
        self._watch(pools)
        children = [_told(asyncio.create_task(child.keep())) for child in self._children]
        try:
            yield
        finally:
            tasks = [*self._watches.values(), *children]
            self._watches = {}
            self.front.pools = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            pools.close()

    def leads(self, name: str) -> bool:
        """Whether a request for `name` is for more than the model of that name in this process: a route, a server."""
        route = self.front.table.routes.get(name) if self.is_in_front else None
        if route is None:
            return False
        return route.only != name or route.shadow is not None or not isinstance(self.front.models.get(name), Here)

    def routes(self, own: Sequence[Route]) -> list[Route]:
        """`own`, the paths of this process, behind those that look at the model first, where there is a choice."""
        return self.front.routes(own) if self.is_in_front else list(own)

    def _watch(self, pools: Pools) -> None:
        """Watch the servers of those models that there are now."""
        for upstream in self._watches.keys() - set(self.upstreams):
            self._watches.pop(upstream).cancel()
        for upstream in self.upstreams:
            if upstream not in self._watches:
                self._watches[upstream] = _told(asyncio.create_task(upstream.watch(pools)))


def _told(task: "asyncio.Task[None]") -> "asyncio.Task[None]":
    """A defect in a watch would else be heard of when the node stops."""
    task.add_done_callback(_tell)
    return task


def _tell(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (defect := task.exception()) is not None:
        log.error("watch_broke", exc_info=defect)
