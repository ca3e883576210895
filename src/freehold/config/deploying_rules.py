"""What must hold between the keys of a deployment, and between them and its models."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from freehold.config.deploying import Deploy
from freehold.config.document import Node, problem_at
from freehold.config.labels import GATEWAY, label
from freehold.config.loopback import is_loopback
from freehold.config.shapes import Config, ModelConfig
from freehold.errors import FreeholdError

Placed = tuple[ModelConfig, Node]

_ALIKE = ("engine", "gpus", "scale", "image")
"""What models of one service have once."""
_VLLM_ONLY = ("gpu_memory", "args")
WHOLE = 100


def broken_deploying_rules(config: Config, tree: Node) -> Iterator[FreeholdError]:
    """Every such rule that `config` breaks, at its place in `tree`."""
    placed = [
        (model, tree.at("models", index))
        for index, model in enumerate(config.models)
        if model.source.strip() and _parses(model)
    ]
    for model, node in placed:
        yield from _of_model(model, node)
    yield from _services(placed)
    if config.deploy is not None:
        yield from _deployed(config, config.deploy, tree, placed)


def _parses(model: ModelConfig) -> bool:
    try:
        return bool(model.parsed_source)
    except FreeholdError:
        return False  # already among the problems


def _of_model(model: ModelConfig, node: Node) -> Iterator[FreeholdError]:
    """What a key asks of the others beside it, wherever the model runs."""
    if model.image is not None and not model.command and model.engine != "vllm":
        yield problem_at(node.at("image"), "units_image_idle", id=model.id, image=model.image)
    for name in _VLLM_ONLY:
        if getattr(model, name) and (model.engine != "vllm" or model.command):
            yield problem_at(node.at(name), "vllm_only", id=model.id)
    least, most = model.scale.least, model.scale.most
    if most is not None and most < least:
        yield problem_at(node.at("scale", "most"), "units_scale_upside_down", id=model.id, least=least, most=most)


def _services(placed: Sequence[Placed]) -> Iterator[FreeholdError]:
    """A service has one engine and one set of cards; another server than ours serves one model."""
    first: dict[str, Placed] = {}
    for model, node in placed:
        if model.service is None:
            continue
        before, place = first.setdefault(model.service, (model, node))
        if before is model:
            continue
        details = {"service": model.service, "id": model.id, "other": before.id, "first": place.at("service").spot}
        if model.hosting == "upstream" or before.hosting == "upstream":
            yield problem_at(node.at("service"), "units_service_upstream", **details)
        elif "vllm" in (model.engine, before.engine) or model.image or before.image:
            yield problem_at(node.at("service"), "units_service_alone", **details)
        else:
            for name in _ALIKE:
                if getattr(model, name) != getattr(before, name):
                    yield problem_at(node.at("service"), "units_service_mixed", **details, name=name)


def _deployed(config: Config, deploy: Deploy, tree: Node, placed: Sequence[Placed]) -> Iterator[FreeholdError]:
    yield from _names(placed)
    for name in ("name", "namespace"):
        found = getattr(deploy, name)
        if found is not None and found != label(found):
            yield problem_at(tree.at("deploy", name), "units_not_a_label", found=found, label=label(found))
    steps = tree.at("deploy", "steps")
    if list(deploy.steps) != sorted(set(deploy.steps)) or deploy.steps[-1:] != (WHOLE,):
        yield problem_at(steps, "units_steps", steps=", ".join(map(str, deploy.steps)) or "none")
    tls = config.server.tls
    if deploy.target != "kubernetes" and tls is not None and tls.http_port == deploy.port:
        place = tree.at("server", "tls", "http_port")
        yield FreeholdError("config_http_port_taken", where=place.where, key=place.key, port=deploy.port)
    if deploy.target == "systemd":
        return
    if tls is not None and tls.client_ca is not None:
        yield problem_at(tree.at("server", "tls", "client_ca"), "units_client_ca")
    for model, node in placed:
        if model.hosting == "upstream":
            yield from _reachable(model, node)
            continue
        if model.command and model.engine != "vllm" and model.image is None and deploy.image is None:
            yield problem_at(node.at("command"), "units_command_imageless", id=model.id, program=model.command[0])
        yield from _files(model, node, deploy, tree)


def _names(placed: Sequence[Placed]) -> Iterator[FreeholdError]:
    """Every service has a name of its own on the network."""
    owners: dict[str, tuple[tuple[str, str], str]] = {GATEWAY: (("service", GATEWAY), "deploy")}
    for model, node in placed:
        if model.hosting == "upstream":
            continue
        said = ("model", model.id) if model.service is None else ("service", model.service)
        place = node.at("id" if model.service is None else "service")
        name = label(said[1])
        owner, first = owners.setdefault(name, (said, place.spot))
        if owner != said or name == GATEWAY:
            yield problem_at(place, "units_name_taken", id=model.id, name=name, other=owner[1], first=first)


def _files(model: ModelConfig, node: Node, deploy: Deploy, tree: Node) -> Iterator[FreeholdError]:
    """Where a container finds the model."""
    source, place = model.parsed_source, node.at("source")
    details = {"id": model.id, "source": model.source}
    if source.kind == "oci":
        yield problem_at(place, "units_source_unpulled", **details, name=source.name.rpartition("/")[2])
    elif source.kind == "store" and (model.engine == "vllm" or model.command):
        yield problem_at(place, "vllm_source", **details)
    elif deploy.target == "kubernetes":
        storage = deploy.storage
        if source.kind == "path" and storage.claim is None:
            yield problem_at(place, "units_no_claim", **details)
        elif source.kind == "path" and not PurePosixPath(source.name).is_relative_to(storage.path):
            path = tree.at("deploy", "storage")
            yield problem_at(place, "units_unclaimed", **details, path=storage.path, first=path.spot)
        elif source.kind == "store" and deploy.pull_from is None:
            yield problem_at(place, "units_no_registry", **details)
        elif source.kind in ("hf", "ms"):
            yield problem_at(place, "units_source_unfetched", **details)


def _reachable(model: ModelConfig, node: Node) -> Iterator[FreeholdError]:
    """In a container, loopback is the container's own."""
    places = [node.at("source"), *(node.at("replicas", index) for index in range(len(model.replicas)))]
    for url, place in zip((model.source, *model.replicas), places, strict=True):
        host = urlsplit(url).hostname or ""
        if is_loopback(host):
            yield problem_at(place, "units_loopback", id=model.id, url=url)
