"""Which images a configuration takes, by the names that renderings have where no mirror is set."""

import msgspec

from freehold.config import Config, Deploy
from freehold.deploy.services.deployment import Deployment


def names(config: Config) -> tuple[str, ...]:
    """Every image once, in the order of services. Raises what `Deployment.of` does."""
    settings = msgspec.structs.replace(config.deploy or Deploy(), registry=None)
    deployment = Deployment.of(msgspec.structs.replace(config, deploy=settings))
    return tuple(dict.fromkeys(unit.image for unit in (*deployment.units, deployment.gateway)))
