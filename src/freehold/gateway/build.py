"""From a configuration to the gateway of a node."""

import logging
import re
import secrets
from collections.abc import Mapping, Sequence

from freehold.config import Config, ModelConfig
from freehold.config.locate import found
from freehold.engine.base import Capacity
from freehold.gateway.front import Front
from freehold.gateway.routing.selection import Here
from freehold.gateway.running import Gateway
from freehold.gateway.upstreams.child import PATIENCE, Child, Patience, allotted, recipe
from freehold.gateway.upstreams.health import Terms
from freehold.gateway.upstreams.upstream import Sharing, Upstream
from freehold.gateway.wire.trust import trust
from freehold.http import Admission, MemoryBudget
from freehold.http.certificate import now
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)

_VARIABLE = re.compile(r"\$\{env:([^}]+)\}")


def build(
    config: Config,
    telemetry: Telemetry,
    memory: MemoryBudget,
    environ: Mapping[str, str],
    patience: Patience = PATIENCE,
    *,
    here: Sequence[Here] = (),
    alone: bool = False,
) -> Gateway:
    """The gateway to all models of `config` that other servers compute; nothing is started or asked yet.

    `here` are the models that this process computes; `alone`: it is to compute none, and answers for no other.
    Raises what `trust` raises, `child_program_missing`, and where a child's model is not on this machine.
    """

    def make(model: ModelConfig, config: Config, own_key: str = "") -> Upstream:
        if model.require.proof == "always":
            log.warning("upstream_unproven", extra={"model": model.id, "proof": "none"})
        admission, metrics = _admission(model, telemetry, memory), telemetry.model(model.id)
        return Upstream(model, admission, metrics, environ, own_key, _sharing(config))

    gpus = allotted([model for model in config.models if model.hosting == "child"], environ)
    hidden = _secret_variables(config)
    started, children = {}, []
    for model in config.models:
        if model.hosting == "child":
            key = "" if model.command else secrets.token_urlsafe(32)
            upstream = started[model.id] = make(model, config, key)
            _check_source(model)
            how = recipe(model, environ, hidden, gpus.get(model.id, ""), key)
            children.append(Child(how, upstream.move, upstream.answers, patience))
    asks = alone or any(model.hosting != "here" for model in config.models)
    trusted = trust(config.network, now()) if asks else None
    return Gateway(config, Front(telemetry, alone=alone), make, started, children, here, trusted)


def _sharing(config: Config) -> Sharing:
    settings = config.gateway
    return Sharing(Terms(settings.eject_failures, settings.eject_s), settings.pending, settings.retries)


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
    references = [*(model.key for model in config.models), config.network.proxy, config.access.key]
    return frozenset(match[1] for text in references if text and (match := _VARIABLE.fullmatch(text)))
