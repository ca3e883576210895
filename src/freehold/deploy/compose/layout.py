"""Where everything lies in the folder that Compose is started in, and what a unit's service is called.

compose.yaml
config/SERVICE/etc/freehold/freehold.yaml    what a container reads, below the path that it has there
secrets/NAME                                 a secret, and nothing else
secrets/NAME.VARIABLE.env                    the same one as a line VARIABLE='VALUE'
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from freehold.deploy.units import Deployment, SecretFile, Unit

FILE = "compose.yaml"
SECRETS = "secrets"
GATEWAY = "gateway"


def units_of(deployment: Deployment) -> tuple[Unit, ...]:
    """All services: the units in their order, then the gateway."""
    return (*deployment.units, deployment.gateway)


def service_of(unit: Unit) -> str:
    """The name of a unit's service, by which others on the network reach it: the gateway has one for all versions."""
    return GATEWAY if unit.role == "gateway" else unit.host


def config_folder(service: str) -> str:
    """The folder with the files of one service: the root of its container."""
    return f"config/{service}"


def files_of(unit: Unit) -> Mapping[str, str]:
    """What a unit reads in its container, by path below the folder."""
    return {f"{config_folder(service_of(unit))}{path}": text for path, text in unit.files.items()}


def secrets_of(units: Iterable[Unit]) -> tuple[SecretFile, ...]:
    """The secrets of `units`, each once, by name: every one in a file of its own, then as variables are wanted."""
    used = [secret for unit in units for secret in unit.secrets]
    every = {*used, *(replace(secret, variable="") for secret in used)}
    return tuple(sorted(every, key=lambda secret: (secret.name, secret.variable)))


def secret_path(secret: SecretFile) -> str:
    """Where a secret lies, alone or as the line of a variable."""
    return f"{SECRETS}/{secret.name}" + (f".{secret.variable}.env" if secret.variable else "")


def state_folders(units: Iterable[Unit]) -> tuple[str, ...]:
    """The folders of this machine that `units` write to."""
    return tuple(sorted({mount.source for unit in units for mount in unit.mounts if not mount.read_only}))
