"""What a valid configuration says that its author may not expect: settings without effect, doors left open."""

from collections.abc import Iterator, Mapping

from freehold.config.deploying import Deploy
from freehold.config.document import Node
from freehold.config.locate import locate
from freehold.config.secret import is_reference, resolve
from freehold.config.shapes import Config, ModelConfig
from freehold.errors import FreeholdError

_COMPUTED_HERE = ("input_shape", "inputs", "outputs", "workers", "precision", "generation", "keep_alive")
_GIVEN_TO_VLLM = ("context_length", "max_output_tokens", "defaults", "chat_template_kwargs")
"""On its command line, unless `command` is another."""
_LOCAL_ONLY = (*_COMPUTED_HERE, "device", "gpus", *_GIVEN_TO_VLLM)
_SERVER_WIDE = ("body_mb", "in_flight_mb", "models_mb")  # counted before it is known which model a request asks for
_ON_CLUSTERS = (
    *("pull_secrets", "kubernetes", "namespace", "ingress", "clients", "control_plane", "monitoring", "storage"),
    *("pull_from", "spot"),
)
_IDLE = {"compose": _ON_CLUSTERS, "systemd": (*_ON_CLUSTERS, "registry", "image"), "kubernetes": ("host", "port")}
"""By target, the keys of `deploy` that mean nothing there."""


def notes_on(config: Config, tree: Node, environ: Mapping[str, str]) -> Iterator[FreeholdError]:
    """Notes on `config`, in the form of errors that are never raised."""
    if not config.models:
        yield FreeholdError("note_no_models", where=tree.where)
    if config.access.auth == "none":
        yield FreeholdError("note_door_open", where=tree.at("access", "auth").where)
        access = tree.at("access")
        for place in (access.at(name) for name in ("limits", "teams")):
            if place is not access:
                yield FreeholdError("note_limits_uncounted", where=place.where, key=place.key)
    if config.access.audit.content and not config.access.audit.inference:
        place = tree.at("access", "audit", "content")
        yield FreeholdError("note_content_unaudited", where=place.where, key=place.key)
    for index, model in enumerate(config.models):
        yield from _on_model(model, tree.at("models", index))
    if config.deploy is not None:
        yield from _on_deploy(config, config.deploy, tree)
    yield from _on_secrets(config, tree, environ)


def _on_model(model: ModelConfig, node: Node) -> Iterator[FreeholdError]:
    for name in _SERVER_WIDE:
        place = node.at("limits", name)
        if place.key.startswith("model") and place.key.endswith(f".limits.{name}"):
            yield FreeholdError("note_limit_of_the_server", where=place.where, key=place.key, name=name)
    for name, code in (*_by_hosting(model), *_by_kind(model)):
        place = node.at(name)
        if place is not node:
            yield FreeholdError(code, where=place.where, key=place.key, id=model.id)


def _on_deploy(config: Config, deploy: Deploy, tree: Node) -> Iterator[FreeholdError]:
    node = tree.at("deploy")
    places = [(node, node.at(name)) for name in _IDLE[deploy.target]]
    if deploy.target != "kubernetes":
        models = [tree.at("models", index) for index in range(len(config.models))]
        places += [(model, model.at("scale")) for model in models]
    for above, place in places:
        if place is not above:
            yield FreeholdError("note_deploy_ignored", where=place.spot, key=place.key, target=deploy.target)
    if keeps_nothing(config):
        yield FreeholdError("note_keys_apart", where=node.spot)
    ingress = deploy.ingress
    if deploy.target == "kubernetes" and ingress is not None and ingress.issuer is None and ingress.secret is None:
        yield FreeholdError("note_ingress_plain", where=node.at("ingress").spot, host=ingress.host)


def keeps_nothing(config: Config) -> bool:
    """Whether who may call, and what it came to, is kept by pods alone."""
    access = config.access
    on_cluster = config.deploy is not None and config.deploy.target == "kubernetes"
    return on_cluster and access.auth == "keys" and access.database is None


def _by_hosting(model: ModelConfig) -> Iterator[tuple[str, str]]:
    """The keys that mean nothing for where `model` is computed, each with the note to write if it is there."""
    if model.hosting == "upstream":
        yield from ((name, "note_ignored_for_upstream") for name in _LOCAL_ONLY)
    else:
        yield "key", "note_ignored_for_local"
    if model.hosting == "child":
        names = (*_COMPUTED_HERE, *(_GIVEN_TO_VLLM if model.command else ()))
        yield from ((name, "note_ignored_for_child") for name in names)
    if model.hosting == "here":
        yield "abilities", "note_needs_other_server"
        yield "upstream_model", "note_needs_other_server"
    elif model.require.proof == "always":
        yield "require", "note_upstream_unproven"


def _by_kind(model: ModelConfig) -> Iterator[tuple[str, str]]:
    """The keys that mean nothing for what `model` does."""
    if is_tensor(model):
        yield "context_length", "note_ignored_for_tensor"
        yield "max_output_tokens", "note_ignored_for_tensor"
    elif model.kind not in ("auto", "tensor"):
        yield from ((name, "note_ignored_for_text") for name in ("input_shape", "inputs", "outputs"))
    if model.kind in ("embed", "rerank", "classify"):
        yield "max_output_tokens", "note_ignored_for_encoder"


def is_tensor(model: ModelConfig) -> bool:
    """Whether it is a tensor model as far as the configuration shows: so named, or a bare .onnx file."""
    if model.kind != "auto":
        return model.kind == "tensor"
    source = model.parsed_source
    if source.kind != "path" or model.hosting != "here":
        return False
    try:
        found = locate(source)
    except FreeholdError:
        return source.name.endswith(".onnx")
    return found.suffix == ".onnx" and not any(
        (found.parent / name).exists() for name in ("tokenizer.json", "vocab.txt")
    )


def _on_secrets(config: Config, tree: Node, environ: Mapping[str, str]) -> Iterator[FreeholdError]:
    references = [(model.key, tree.at("models", index, "key")) for index, model in enumerate(config.models)]
    references.append((config.network.proxy, tree.at("network", "proxy")))
    references += [(getattr(config.access, name), tree.at("access", name)) for name in ("key", "database")]
    for reference, node in references:
        if reference is None or not is_reference(reference):
            continue
        try:
            resolve(reference, environ)
        except FreeholdError:
            yield FreeholdError("note_secret_unset", where=node.where, key=node.key, reference=reference)
