"""What must hold between the keys of a configuration, beyond each one's own type."""

from collections.abc import Iterable, Iterator

from freehold.config.document import Node
from freehold.config.routing import Route
from freehold.config.shapes import Config, ModelConfig
from freehold.errors import FreeholdError


def broken_rules(config: Config, tree: Node) -> list[FreeholdError]:
    """Every rule that `config` breaks, at its place in `tree`."""
    return [
        *_twice("config_id_taken", tree, "models", "id", [model.id for model in config.models]),
        *_twice("config_route_twice", tree, "routes", "model", [route.model for route in config.routes]),
        *(problem for index, model in enumerate(config.models) for problem in _model(model, tree.at("models", index))),
        *(problem for index, route in enumerate(config.routes) for problem in _route(config, route, tree, index)),
        *_dify(config, tree),
    ]


def _twice(code: str, tree: Node, collection: str, name: str, values: Iterable[str]) -> Iterator[FreeholdError]:
    first: dict[str, Node] = {}
    for index, value in enumerate(values):
        node = tree.at(collection, index, name)
        if value in first:
            yield FreeholdError(code, where=node.where, id=value, first=first[value].where)
        first.setdefault(value, node)


def _model(model: ModelConfig, node: Node) -> Iterator[FreeholdError]:
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


def _route(config: Config, route: Route, tree: Node, index: int) -> Iterator[FreeholdError]:
    node = tree.at("routes", index)
    named = [(target.id, node.at("to", place, "id")) for place, target in enumerate(route.to)]
    named += [(name, node.at(key)) for key in ("fallback", "shadow") if (name := getattr(route, key)) is not None]
    known = ", ".join(model.id for model in config.models) or "-"
    for name, place in named:
        if config.model(name) is None:
            yield FreeholdError("config_route_unknown", where=place.where, key=place.key, id=name, known=known)
    if sum(target.weight for target in route.to) == 0:
        to = node.at("to")
        yield FreeholdError("config_route_empty", where=to.where, key=to.key, route=route.model)


def _dify(config: Config, tree: Node) -> Iterator[FreeholdError]:
    if config.dify is not None and (config.dify.url is None) == (config.dify.version is None):
        yield FreeholdError("config_dify_choice", where=tree.at("dify").where)
