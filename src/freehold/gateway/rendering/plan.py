"""What any proxy must do to route as the gateway does, and what of it only the gateway can do.

A plan is made of a configuration and nothing else: no file is read, no server asked, no secret resolved.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from freehold.config import Config, Limits, ModelConfig, Network, Server
from freehold.config.routing import Gateway
from freehold.errors import FreeholdError
from freehold.gateway.routing.table import ModelRoute, RouteTable

MEGABYTE = 1 << 20
PORTS = {"http": 80, "https": 443}
VERSIONS = ("/v1", "/v2")
_LISTED = 8  # names in a message


class Endpoint(NamedTuple):
    """One address of a model. `host` is a name or an address, an IPv6 one without its brackets."""

    host: str
    port: int


@dataclass(frozen=True)
class Cluster:
    """One model and the servers that have it. All of them are reached in the same way, below the same path."""

    id: str
    name_there: str
    """What those servers call it."""
    scheme: str
    """`http` or `https`."""
    base: str
    """The path below which OpenAI's paths are, such as `/v1`, never with a slash at its end."""
    root: str
    """The path below which `/v2/models` is: `base` without a version at its end."""
    endpoints: tuple[Endpoint, ...]
    key: str | None
    """Where the key is, as `${env:NAME}` or `${file:PATH}`: never the key itself."""
    silence_s: float
    """How long each byte of an answer may take."""
    concurrency: int | None
    """Requests in flight at all endpoints together, those that wait there among them; None: as many as come."""

    def authority(self, endpoint: Endpoint) -> str:
        """The `Host` that one of its servers expects: without the port that its scheme has anyway."""
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        return host if endpoint.port == PORTS[self.scheme] else f"{host}:{endpoint.port}"

    @property
    def is_renamed(self) -> bool:
        """Whether a body that names the model by its id must be rewritten."""
        return self.id != self.name_there


@dataclass(frozen=True)
class Plan:
    """A configuration as a proxy sees it: `routes` by name, every model's own among them; `clusters` by id."""

    routes: Mapping[str, ModelRoute]
    clusters: Mapping[str, Cluster]
    body_bytes: int
    server: Server
    network: Network
    gateway: Gateway
    served: str
    """The names that clients may ask for, as a message has them."""
    warnings: tuple[FreeholdError, ...]
    """What only the gateway can do, and no other proxy."""

    @classmethod
    def of(cls, config: Config) -> "Plan":
        """The plan of `config`. A rollout's weights, which are for a while, are not in it.

        Raises `rendering_model_here` for a model without an address, `rendering_replicas_differ`,
        `rendering_certificate` where HTTPS is asked for without a certificate of one's own.
        """
        if config.server.tls is not None and config.server.tls.certificate is None:
            raise FreeholdError("rendering_certificate")
        here = [model.id for model in config.models if model.hosting != "upstream"]
        if here:
            raise FreeholdError("rendering_model_here", models=listed(here))
        table = RouteTable.of(config)
        return cls(
            routes=table.routes,
            clusters={model.id: _cluster(model) for model in config.models},
            body_bytes=config.gateway.body_mb * MEGABYTE,
            server=config.server,
            network=config.network,
            gateway=config.gateway,
            served=table.listed(),
            warnings=tuple(_gateway_only(config)),
        )


@dataclass(frozen=True)
class Rendering:
    """Files by their relative paths, and what they cannot do that the configuration asks for."""

    files: Mapping[str, str]
    warnings: tuple[FreeholdError, ...]


def listed(names: Sequence[str]) -> str:
    """Names for a message, not too many of them."""
    return ", ".join(names[:_LISTED]) + (f", ... ({len(names)})" if len(names) > _LISTED else "")


def _cluster(model: ModelConfig) -> Cluster:
    urls = [urlsplit(url.rstrip("/")) for url in (model.parsed_source.name, *model.replicas)]
    first = urls[0]
    for url in urls[1:]:
        if (url.scheme, url.path) != (first.scheme, first.path):
            raise FreeholdError("rendering_replicas_differ", model=model.id, first=first.geturl(), other=url.geturl())
    root = first.path[:-3] if first.path.endswith(VERSIONS) else first.path
    return Cluster(
        id=model.id,
        name_there=model.upstream_model or model.id,
        scheme=first.scheme,
        base=first.path,
        root=root,
        endpoints=tuple(Endpoint(url.hostname or "", url.port or PORTS[url.scheme]) for url in urls),
        key=model.key,
        silence_s=model.limits.deadline_for("generate"),
        concurrency=_admitted(model.limits),
    )


def _admitted(limits: Limits) -> int | None:
    """As many as the gateway lets in at a time."""
    if limits.concurrency is None and limits.queue is None:
        return None
    return (limits.concurrency or 1) + (limits.queue or 0)


def _gateway_only(config: Config) -> Iterator[FreeholdError]:
    prefix = [route.model for route in config.routes if route.balance == "prefix"]
    if prefix:
        yield FreeholdError("rendering_affinity", routes=listed(prefix))
    held = [route.model for route in config.routes if route.hold.requests]
    if held:
        yield FreeholdError("rendering_hold", routes=listed(held))
    shadowed = [route.model for route in config.routes if route.shadow is not None]
    if shadowed:
        yield FreeholdError("rendering_shadow", routes=listed(shadowed))
    if config.access.auth == "keys":
        yield FreeholdError("rendering_access")
    forms = [model.id for model in config.models if "stt" in (model.abilities or ())]
    if forms:
        yield FreeholdError("rendering_forms", models=listed(forms))
