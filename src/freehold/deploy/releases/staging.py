"""What moves when one release takes the place of another, and what the gateway is told at each stage. Pure.

Both versions of a model are behind the gateway then: the one in force under the model's own name, the one that comes
as MODEL--REVISION. All else is as in the release in force; what the new one adds, takes away or routes otherwise comes
with its own file, at the end.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.gateway_file import version_id
from freehold.deploy.services.units import Unit

WHOLE = 100


@dataclass(frozen=True)
class Move:
    """A model whose requests go from one version of its service to another."""

    model: str
    old: Unit
    new: Unit

    @property
    def coming(self) -> str:
        """What the gateway calls the new version until it is in force."""
        return version_id(self.model, self.new)


def moves(old: Deployment, new: Deployment) -> tuple[Move, ...]:
    """The models that both have, and not from the same version of a service."""
    before = {model.id: unit for unit in old.units for model in unit.models}
    pairs = ((model.id, unit) for unit in new.units for model in unit.models if model.id in before)
    return tuple(Move(model, before[model], unit) for model, unit in pairs if before[model].host != unit.host)


def final(deployment: Deployment) -> str:
    """The gateway's file when `deployment` alone is in force."""
    return deployment.gateway_file()


def staged(old: Deployment, new: Deployment, percent: int) -> str:
    """The gateway's file when the versions that come get so many percent of their models' requests."""
    return old.gateway_file(new, {unit.name: percent for unit in new.units})


def digest(text: str) -> str:
    """What the gateway's /readyz tells while this text is in force: its sha256, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def hosts(units: Iterable[Unit]) -> tuple[str, ...]:
    """The names of these versions."""
    return tuple(unit.host for unit in units)


def added(old: Deployment | None, new: Deployment) -> tuple[Unit, ...]:
    """The units of `new` that do not run in `old`, the gateway aside."""
    there = set(hosts(old.units)) if old is not None else set()
    return tuple(unit for unit in new.units if unit.host not in there)
