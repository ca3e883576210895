"""What must hold between the keys of a configuration, beyond each one's own type."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from freehold.config.access_rules import broken_access_rules
from freehold.config.canonical import located
from freehold.config.deploying_rules import broken_deploying_rules
from freehold.config.dify_connect_rules import broken_dify_connect_rules
from freehold.config.dify_rules import broken_dify_rules
from freehold.config.document import Node
from freehold.config.listening import Server
from freehold.config.listening_rules import broken_listening_rules
from freehold.config.loopback import is_loopback
from freehold.config.routing import Route
from freehold.config.shapes import Config, ModelConfig
from freehold.config.source import parse
from freehold.config.tenants import tenants_of
from freehold.errors import FreeholdError

LISTED = 64  # models that a message lists

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
_PORTS = {"http": 80, "https": 443}


def broken_rules(config: Config, tree: Node) -> list[FreeholdError]:
    """Every rule that `config` breaks, at its place in `tree`."""
    models = [(model, tree.at("models", index)) for index, model in enumerate(config.models)]
    routes = [(route, tree.at("routes", index)) for index, route in enumerate(config.routes)]
    known = {model.id: model for model in config.models}
    return [
        *_twice("config_id_taken", [(model.id, node.at("id")) for model, node in models]),
        *_twice("config_route_twice", [(route.model, node.at("model")) for route, node in routes]),
        *(problem for model, node in models for problem in _model(model, node, config.server)),
        *(problem for route, node in routes for problem in _route(route, node, known)),
        *broken_access_rules(config.access, tree.at("access")),
        *broken_listening_rules(config, tree),
        *broken_deploying_rules(config, tree),
        *broken_dify_rules(config, tree),
        *broken_dify_connect_rules(config, tree),
    ]


def _twice(code: str, names: Iterable[tuple[str, Node]], **details: str) -> Iterator[FreeholdError]:
    """What is named again, with where it was named first."""
    first: dict[str, Node] = {}
    for name, node in names:
        if name in first:
            yield FreeholdError(code, where=node.where, id=name, first=first[name].where, **details)
        first.setdefault(name, node)


def _model(model: ModelConfig, node: Node, server: Server) -> Iterator[FreeholdError]:
    try:
        is_upstream = model.parsed_source.kind == "upstream"
    except FreeholdError:
        return  # already among the problems
    misplaced = None
    if is_upstream and model.engine not in ("auto", "openai"):
        misplaced = "config_engine_not_upstream"
    elif model.engine == "openai" and not is_upstream and not model.command:
        misplaced = "config_engine_needs_upstream"
    if misplaced is not None:
        engine = node.at("engine")
        yield FreeholdError(misplaced, where=engine.where, id=model.id, engine=model.engine, source=model.source)
    yield from _addresses(model, node, is_upstream, server)
    if model.versions:
        yield from _versions(model, node)
    if model.command:
        yield from _command(model, node.at("command"), is_upstream)
    if model.require.signed:
        yield from _signed(model, node.at("require"))
    if model.gpu_request is not None and model.device not in ("cuda", "tensorrt"):
        device = node.at("device")
        yield FreeholdError("config_gpus_device", where=device.where, key=device.key, device=model.device)
    if model.context_length and model.max_output_tokens and model.max_output_tokens > model.context_length:
        output = node.at("max_output_tokens")
        yield FreeholdError(
            "config_output_exceeds_context",
            where=output.where,
            key=output.key,
            output=model.max_output_tokens,
            context=model.context_length,
        )


def _versions(model: ModelConfig, node: Node) -> Iterator[FreeholdError]:
    """Numbers as clients write them in paths, of what this process loads; the source is the highest one's."""
    versions = node.at("versions")
    if model.hosting != "here":
        yield FreeholdError("config_versions_elsewhere", where=versions.where, id=model.id)
    wrong = [number for number in model.versions if not re.fullmatch("[1-9][0-9]{0,17}", number)]
    for number in wrong:
        yield FreeholdError("config_version_number", where=versions.at(number).where, id=model.id, version=number)
    highest = "" if wrong else max(model.versions, key=int)
    if highest and model.versions[highest] != model.source:
        where = node.at("source").where
        yield FreeholdError("config_versions_source", where=where, id=model.id, version=highest, source=model.source)


def _signed(model: ModelConfig, require: Node) -> Iterator[FreeholdError]:
    """A signature counts only by a key that is trusted, and of what this process loads itself."""
    if model.hosting != "here":
        yield FreeholdError("config_signed_elsewhere", where=require.where, id=model.id)
    elif not model.require.keys:
        yield FreeholdError("config_keys_wanted", where=require.where, id=model.id)


def _command(model: ModelConfig, command: Node, is_upstream: bool) -> Iterator[FreeholdError]:
    """A server that we start gets its port from us, and computes what this process does not."""
    if is_upstream:
        yield FreeholdError("config_command_of_upstream", where=command.where, id=model.id, source=model.source)
    elif model.engine == "onnx":
        yield FreeholdError("config_command_of_engine", where=command.where, id=model.id)
    elif not any("{port}" in word for word in model.command):
        program = model.command[0]
        yield FreeholdError("config_command_portless", where=command.where, id=model.id, program=program)


def _addresses(model: ModelConfig, node: Node, is_upstream: bool, server: Server) -> Iterator[FreeholdError]:
    """Only a model elsewhere has more addresses; none may be this server's: its requests would come back to it."""
    if not is_upstream:
        if model.replicas:
            replicas = node.at("replicas")
            yield FreeholdError("config_replicas_misplaced", where=replicas.where, id=model.id, source=model.source)
        return
    places = [node.at("source"), *(node.at("replicas", index) for index in range(len(model.replicas)))]
    for url, place in zip((model.source, *model.replicas), places, strict=True):
        try:
            parse(url)
        except FreeholdError as error:
            yield located(error, place)
            continue
        if _is_own(url, server):
            yield FreeholdError("config_upstream_itself", where=place.where, id=model.id, url=url, port=server.port)


def _is_own(url: str, server: Server) -> bool:
    """Whether a request to `url` would arrive at the listener of this server, as far as its address tells."""
    address = urlsplit(url)
    port, host = address.port or _PORTS[address.scheme], address.hostname or ""
    listens = server.host.strip("[]")
    on_loopback = listens in _EVERYWHERE or is_loopback(listens)
    return port == server.port and (host == listens or (is_loopback(host) and on_loopback))


def _route(route: Route, node: Node, models: Mapping[str, ModelConfig]) -> Iterator[FreeholdError]:
    targets = [(target.id, node.at("to", index, "id")) for index, target in enumerate(route.to)]
    for name, place in targets:
        yield from _target(route, name, place, models)
    if route.fallback is not None:
        yield from _target(route, route.fallback, node.at("fallback"), models)
    if route.shadowed is not None:
        yield from _target(route, route.shadowed.id, node.at("shadow", "id"), models)
    yield from _twice("config_target_twice", targets, route=route.model)
    tenants = tenants_of(route, models)
    if len(tenants) > 1:
        yield FreeholdError("config_route_of_tenants", where=node.where, route=route.model, tenants=", ".join(tenants))
    total = sum(target.weight for target in route.to)
    if total == 0:
        to = node.at("to")
        yield FreeholdError("config_route_empty", where=to.where, key=to.key, route=route.model)
    for index, target in enumerate(route.to):
        if 0 < 100 * target.weight < total:  # rounded to whole percents it could become 0, and so an order
            place = node.at("to", index, "weight")
            details = {"where": place.where, "key": place.key, "id": target.id}
            yield FreeholdError("config_share_small", **details, weight=target.weight, total=total)


def _target(route: Route, name: str, place: Node, models: Mapping[str, ModelConfig]) -> Iterator[FreeholdError]:
    """A model that exists, not the route again, and where the route says that its models compute."""
    details = {"where": place.where, "key": place.key, "id": name}
    model = models.get(name)
    if model is None:
        known = ", ".join(list(models)[:LISTED]) + (", ..." if len(models) > LISTED else "") or "-"
        code = "config_route_itself" if name == route.model else "config_route_unknown"
        yield FreeholdError(code, **details, known=known)
    elif route.locality is not None and model.locality != route.locality:
        found = "none" if model.locality is None else f"`{model.locality}`"
        yield FreeholdError("config_route_locality", **details, route=route.model, wanted=route.locality, found=found)
