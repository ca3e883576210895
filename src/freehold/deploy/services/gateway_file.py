"""The gateway's own freehold.yaml: every model of a deployment as one that another server computes.

While a new version comes, the released one keeps its model's name and the new one is `MODEL--REVISION`. Clients and the
user's routes go on asking for MODEL; a route of that name, or each place of a route that names it, has both.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from freehold.config import Config, Limits, ModelConfig, Require, Route, RouteTarget
from freehold.config.deploying import Deploy
from freehold.config.written import written
from freehold.deploy.services.secret_files import INTERNAL, reference, with_files
from freehold.deploy.services.units import SecretFile, Unit
from freehold.gateway.routing.table import percents

LONGEST_ID = 128
PORT = 8080
EVERYWHERE = "0.0.0.0"  # noqa: S104 - within the network of its own that each service is in

Shares = Mapping[str, int]
"""By the name of a unit, the percent of its requests that its new version gets; a unit that is left out gets none."""


def version_id(model: str, unit: Unit) -> str:
    """What the gateway calls a model of a version that comes, beside the released one."""
    return f"{model[: LONGEST_ID - 10]}--{unit.revision}"


def port_of(config: Config) -> int:
    """Where a gateway listens in its container: where it is published, if a plain port sends clients there."""
    settings = config.deploy or Deploy()
    return settings.port if settings.target == "compose" and http_port_of(config) is not None else PORT


def http_port_of(config: Config) -> int | None:
    """The plain port of a gateway that speaks HTTPS."""
    return None if config.server.tls is None else config.server.tls.http_port


def gateway_file(
    config: Config, units: Sequence[Unit], coming: Sequence[Unit] = (), shares: Shares = MappingProxyType({})
) -> tuple[str, tuple[SecretFile, ...]]:
    """The file for `units`, with the versions among `coming` that differ from them, and the secrets that it names.

    Without a share a new version is there by its own name and in no route: goldens can be asked of it.
    """
    serving = {model.id: unit for unit in units for model in unit.models}
    versions = {
        model.id: unit
        for unit in coming
        for model in unit.models
        if model.id in serving and unit.host != serving[model.id].host
    }
    limits = Limits(body_mb=config.limits.body_mb, in_flight_mb=config.limits.in_flight_mb)  # of the gateway as a whole
    models = [_upstream(model, serving.get(model.id), limits) for model in config.models]
    beside = [
        replace(model, id=version_id(model.id, unit), source=_address(unit))
        for model in models
        if (unit := versions.get(model.id)) is not None
    ]
    moved = {
        name: (version_id(name, unit), shares[unit.name]) for name, unit in versions.items() if shares.get(unit.name)
    }
    settings = replace(
        config,
        models=(*models, *beside),
        routes=_routes(config.routes, moved),
        limits=limits,
        require=Require(),
        server=replace(config.server, host=EVERYWHERE, port=port_of(config)),
        deploy=None,
        dify=None,
    )
    inside, secrets = with_files(settings)
    return written(inside), secrets


def _address(unit: Unit) -> str:
    return f"http://{unit.host}:{unit.port}/v1"


def _upstream(model: ModelConfig, unit: Unit | None, limits: Limits) -> ModelConfig:
    """A model as the gateway sees it; one of another server, without a unit, as it is.

    What bounds it is in its own service, of which there may be several copies; a server that is not ours has no bounds.
    """
    if unit is None:
        return replace(model, require=Require())
    return ModelConfig(
        id=model.id,
        source=_address(unit),
        kind=model.kind,
        tenant=model.tenant,
        limits=limits if unit.role == "models" else model.limits,
        abilities=model.abilities,
        key=reference(INTERNAL),
        upstream_model=model.upstream_model if unit.role == "other" else model.id,
        locality=model.locality,
    )


def _routes(routes: Iterable[Route], moved: Mapping[str, tuple[str, int]]) -> tuple[Route, ...]:
    """`routes` with new versions beside the released ones, and a route for each such model that has none."""
    named = {route.model for route in routes}
    own = [Route(model=name, to=(RouteTarget(name),)) for name in moved if name not in named]
    return tuple(_shared(route, moved) for route in (*routes, *own))


def _shared(route: Route, moved: Mapping[str, tuple[str, int]]) -> Route:
    """The route with each model's requests shared among its versions."""
    if not any(target.id in moved for target in route.to):
        return route
    targets: list[RouteTarget] = []
    for target, percent in zip(route.to, percents([target.weight for target in route.to]), strict=True):
        if target.id in moved:
            version, share = moved[target.id]
            new = _part(percent, share)
            targets += [RouteTarget(target.id, percent - new), RouteTarget(version, new)]
        else:
            targets.append(RouteTarget(target.id, percent))
    return replace(route, to=tuple(targets))


def _part(percent: int, share: int) -> int:
    """`share` percent of `percent`, in whole ones: at least one where there are two to share, and not all of them."""
    new = (percent * share + 50) // 100
    return new if percent < 2 or share == 100 else min(max(new, 1), percent - 1)
