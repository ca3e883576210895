"""Where everything lies in the folder that Compose is started in, and what a unit's service is called.

compose.yaml
config/SERVICE/etc/freehold/freehold.yaml    what a container reads, below the path that it has there
secrets/NAME                                 a secret, and nothing else
"""

import posixpath
from collections.abc import Iterable, Mapping

from freehold.config.labels import GATEWAY
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Mount, SecretFile, Unit

FILE = "compose.yaml"
CONFIG = "config"
SECRETS = "secrets"


def units_of(deployment: Deployment) -> tuple[Unit, ...]:
    """All services: the units in their order, then the gateway."""
    return (*deployment.units, deployment.gateway)


def service_of(unit: Unit) -> str:
    """The name of a unit's service, by which others on the network reach it: the gateway has one for all versions."""
    return GATEWAY if unit.role == "gateway" else unit.host


def config_folder(service: str) -> str:
    """The folder with the files of one service: the root of its container."""
    return f"{CONFIG}/{service}"


def files_of(unit: Unit) -> Mapping[str, str]:
    """What a unit reads in its container, by path below the folder."""
    return {f"{config_folder(service_of(unit))}{path}": text for path, text in unit.files.items()}


def secrets_of(units: Iterable[Unit]) -> tuple[SecretFile, ...]:
    """The secrets of `units`, each once, by name."""
    return tuple(sorted({secret for unit in units for secret in unit.secrets}, key=lambda secret: secret.name))


def secret_path(secret: SecretFile) -> str:
    """Where a secret lies."""
    return f"{SECRETS}/{secret.name}"


def mounts_of(unit: Unit, config: str) -> tuple[Mount, ...]:
    """All that a unit finds in its container; its files lie below the folder `config`.

    Folders of files rather than files: one that is replaced by another of its name is then seen at once.
    """
    folders = dict.fromkeys(posixpath.dirname(path) for path in unit.files)
    return (*(Mount(f"{config}{folder}", folder) for folder in folders), *unit.mounts)


def state_folders(units: Iterable[Unit]) -> tuple[str, ...]:
    """The folders of this machine that `units` write to, each once."""
    return tuple(sorted({mount.source for unit in units for mount in unit.mounts if not mount.read_only}))
