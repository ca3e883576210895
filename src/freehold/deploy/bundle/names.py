"""Which images a configuration takes, by the names that renderings have where no mirror is set."""

import msgspec

from freehold.config import Config, Deploy
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.installation import installation


def names(config: Config) -> tuple[str, ...]:
    """Every image once: those of models, the gateway's, and all of a Dify that is deployed beside them.

    Raises what `Deployment.of` and `installation` do.
    """
    plain = msgspec.structs.replace(config, deploy=msgspec.structs.replace(config.deploy or Deploy(), registry=None))
    deployment, dify = Deployment.of(plain), installation(plain)
    images = [unit.image for unit in (*deployment.units, deployment.gateway)]
    images += [service.image for service in dify.services] if dify is not None else []
    return tuple(dict.fromkeys(images))
