"""`freehold.yaml`, arguments and environment -> frozen objects. Knows errors, and nothing else of the house."""

from freehold.config.canonical import absolute, id_from
from freehold.config.home import home
from freehold.config.invalid import ConfigInvalidError
from freehold.config.load import Reading, load, read
from freehold.config.locate import locate
from freehold.config.secret import resolve
from freehold.config.shapes import (
    Ability,
    Access,
    Config,
    Defaults,
    Deploy,
    Dify,
    Generation,
    Gpus,
    Limits,
    ModelConfig,
    Network,
    Observe,
    Require,
    Route,
    RouteTarget,
    Server,
)
from freehold.config.source import Source, parse

__all__ = [
    "Ability",
    "Access",
    "Config",
    "ConfigInvalidError",
    "Defaults",
    "Deploy",
    "Dify",
    "Generation",
    "Gpus",
    "Limits",
    "ModelConfig",
    "Network",
    "Observe",
    "Reading",
    "Require",
    "Route",
    "RouteTarget",
    "Server",
    "Source",
    "absolute",
    "home",
    "id_from",
    "load",
    "locate",
    "parse",
    "read",
    "resolve",
]
