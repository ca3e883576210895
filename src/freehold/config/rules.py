"""What must hold between the keys of a configuration, beyond each one's own type."""

from collections.abc import Iterable, Iterator

from freehold.config.document import Node
from freehold.config.shapes import Config, ModelConfig, Route
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
    if is_upstream != (model.engine == "openai") and (model.engine != "auto"):
        engine = node.at("engine")
        code = "config_engine_not_upstream" if is_upstream else "config_engine_needs_upstream"
        yield FreeholdError(code, where=engine.where, id=model.id, engine=model.engine, source=model.source)
    if model.gpu_request is not None and model.device != "cuda":
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
