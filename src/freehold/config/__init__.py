"""`freehold.yaml`, arguments and environment -> frozen objects. Knows errors, and nothing else of the house."""

from freehold.config.canonical import absolute, id_from
from freehold.config.deploying import Deploy
from freehold.config.dify import Dify
from freehold.config.forms import Ability
from freehold.config.home import home
from freehold.config.invalid import ConfigInvalidError
from freehold.config.listening import Acme, Server, Tls
from freehold.config.load import Reading, load, read
from freehold.config.locate import locate
from freehold.config.quotas import KeyLimits
from freehold.config.routing import Hold, Route, RouteTarget, Shadow
from freehold.config.secret import resolve
from freehold.config.shapes import (
    Access,
    Config,
    Defaults,
    Generation,
    Gpus,
    Limits,
    ModelConfig,
    Network,
    Observe,
    Require,
)
from freehold.config.source import Source, parse
from freehold.config.tenants import owners

__all__ = [
    "Ability",
    "Access",
    "Acme",
    "Config",
    "ConfigInvalidError",
    "Defaults",
    "Deploy",
    "Dify",
    "Generation",
    "Gpus",
    "Hold",
    "KeyLimits",
    "Limits",
    "ModelConfig",
    "Network",
    "Observe",
    "Reading",
    "Require",
    "Route",
    "RouteTarget",
    "Server",
    "Shadow",
    "Source",
    "Tls",
    "absolute",
    "home",
    "id_from",
    "load",
    "locate",
    "owners",
    "parse",
    "read",
    "resolve",
]
