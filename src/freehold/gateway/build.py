"""From a configuration to the gateway of a node."""

import logging
import re
import secrets
from collections.abc import Mapping

from freehold.config import Config, ModelConfig
from freehold.config.locate import found
from freehold.engine.base import Capacity
from freehold.gateway.child import PATIENCE, Child, Patience, allotted, recipe
from freehold.gateway.front import Gateway
from freehold.gateway.health import Terms
from freehold.gateway.upstream import Sharing, Upstream, trust
from freehold.http import Admission, MemoryBudget
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)

_VARIABLE = re.compile(r"\$\{env:([^}]+)\}")


def build(
    config: Config,
    telemetry: Telemetry,
    memory: MemoryBudget,
    environ: Mapping[str, str],
    patience: Patience = PATIENCE,
) -> Gateway:
    """The gateway to all models of `config` that other servers compute; nothing is started or asked yet.

    Raises `ca_unreadable`, `child_program_missing`, and where a child's model is not on this machine.
    """
    elsewhere = [model for model in config.models if model.hosting != "here"]
    trusted = trust(config.network.ca) if elsewhere else True
    gpus = allotted([model for model in elsewhere if model.hosting == "child"], environ)
    hidden = _secret_variables(config)
    terms = Terms(config.gateway.eject_failures, config.gateway.eject_s)
    sharing = Sharing(terms, config.gateway.pending, config.gateway.retries)
    upstreams, children = [], []
    for model in elsewhere:
        key = secrets.token_urlsafe(32) if model.hosting == "child" and not model.command else ""
        admission, metrics = _admission(model, telemetry, memory), telemetry.model(model.id)
        upstream = Upstream(model, admission, metrics, environ, key, sharing)
        upstreams.append(upstream)
        if model.require.proof == "always":
            log.warning("upstream_unproven", extra={"model": model.id, "proof": "none"})
        if model.hosting == "child":
            _check_source(model)
            how = recipe(model, environ, hidden, gpus.get(model.id, ""), key)
            children.append(Child(how, upstream.move, upstream.answers, patience))
    local = [model.id for model in config.models if model.hosting == "here"]
    return Gateway(upstreams, children, local, trusted)


def _check_source(model: ModelConfig) -> None:
    """A model that lies on this machine must be there; what else a command calls its model is its own affair."""
    source = model.parsed_source
    if source.kind == "path" or not model.command:
        found(source)


def _admission(model: ModelConfig, telemetry: Telemetry, memory: MemoryBudget) -> Admission:
    """Counts and memory bound what is asked of an upstream; how long its queue is, it alone knows."""
    unknown = Capacity("requests", 0, 0, 0.0)
    in_flight = telemetry.model(model.id).in_flight
    return Admission(model.limits, lambda: unknown, memory, kind="generate", model=model.id, in_flight=in_flight)


def _secret_variables(config: Config) -> frozenset[str]:
    """The environment variables that hold secrets of `config`."""
    references = [*(model.key for model in config.models), config.network.proxy]
    return frozenset(match[1] for text in references if text and (match := _VARIABLE.fullmatch(text)))
