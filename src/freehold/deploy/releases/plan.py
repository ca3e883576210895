"""What a deployment would change: wanted minus running, as data, before anything is done. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from freehold.deploy.releases.staging import final, hosts
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Running
from freehold.deploy.topology.installation import installation

Sort = Literal["new", "replaced", "unchanged", "scaled", "started", "removed"]
GatewaySort = Literal["new", "unchanged", "reread", "replaced"]
DifySort = Literal["new", "unchanged", "started", "changed", "removed"]

_SAYS_NOTHING = frozenset({"revision", "models"})  # follow from the other fields


class Change(msgspec.Struct, frozen=True):
    """One field that is not as it was; a key of a file's text is told by lines, `- ` before and `+ ` after."""

    field: str
    before: str
    after: str


class UnitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one service. `started`: it is in force, and does not run; `scaled`: in another number."""

    unit: str
    host: str
    sort: Sort
    replaces: str = ""
    image: str = ""
    artifacts: dict[str, str] = {}
    changes: tuple[Change, ...] = ()


class GatewayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the gateway. `reread`: it takes up its file, and nothing is interrupted."""

    sort: GatewaySort
    image: str
    changes: tuple[Change, ...] = ()


class DifyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the Dify beside the models. `started`: it is in force, and `lacking` do not run; `removed`: its
    services are, its data stays."""

    version: str
    sort: DifySort
    lacking: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    """Fields of its services, each below the service's name."""


class Transfer(msgspec.Struct, frozen=True):
    """An artifact of the store that a registry lacks: its name here, where it goes, and how many bytes move at most."""

    ref: str
    place: str
    bytes: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that would change. `release`: the number in force, None where nothing is."""

    name: str
    release: int | None
    units: tuple[UnitPlan, ...]
    gateway: GatewayPlan
    dify: DifyPlan | None = None
    transfers: tuple[Transfer, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it is wanted."""
        dify = self.dify is None or self.dify.sort == "unchanged"
        return dify and self.gateway.sort == "unchanged" and all(unit.sort == "unchanged" for unit in self.units)


def plan(
    release: int | None,
    old: Deployment | None,
    new: Deployment,
    running: Sequence[Running],
    lacking: Sequence[str] = (),
) -> Plan:
    """From `old`, which is in force, and what runs, to `new`; `lacking` are the services of its Dify that do not."""
    alive = {one.host for one in running if one.state in ("ready", "starting")}
    before = {unit.name: unit for unit in old.units} if old is not None else {}
    on_cluster = new.settings.target == "kubernetes"  # elsewhere there is one of each
    units = [_unit(unit, before.get(unit.name), alive, on_cluster) for unit in new.units]
    wanted = {*hosts(new.units), new.gateway.host}
    replaced = {unit.replaces for unit in units}
    gateway_before = {old.gateway.host} if old is not None else set()
    left = [one.host for one in running if one.host not in wanted | replaced | gateway_before]
    gone = [unit.host for unit in before.values() if unit.host not in wanted | replaced and unit.host not in left]
    units += [UnitPlan(unit=host.rpartition("-")[0], host=host, sort="removed") for host in (*gone, *left)]
    return Plan(
        name=new.name, release=release, units=tuple(units), gateway=_gateway(old, new), dify=_dify(old, new, lacking)
    )


def differences(before: Unit, after: Unit) -> tuple[Change, ...]:
    """The fields of two versions of a unit that differ. Secrets are not in them: a unit names where they lie."""
    return _changes(dict(_fields(before)), dict(_fields(after)))


def _changes(mine: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[Change, ...]:
    names = sorted(mine.keys() | theirs.keys())
    pairs = ((name, mine.get(name, ""), theirs.get(name, "")) for name in names)
    return tuple(change for name, old, new in pairs if old != new for change in _told(name, old, new))


def _unit(unit: Unit, before: Unit | None, alive: Iterable[str], on_cluster: bool) -> UnitPlan:
    facts: dict[str, Any] = {"unit": unit.name, "host": unit.host, "image": unit.image}
    facts["artifacts"] = dict(unit.artifacts)
    if before is None:
        return UnitPlan(sort="new", **facts)
    if before.host != unit.host:
        return UnitPlan(sort="replaced", replaces=before.host, changes=differences(before, unit), **facts)
    if unit.host not in alive:
        return UnitPlan(sort="started", **facts)
    if on_cluster and before.scale != unit.scale:
        return UnitPlan(sort="scaled", changes=differences(before, unit), **facts)
    return UnitPlan(sort="unchanged", **facts)


def _gateway(old: Deployment | None, new: Deployment) -> GatewayPlan:
    image = new.gateway.image
    if old is None:
        return GatewayPlan(sort="new", image=image)
    routes = tuple(_told("routes", final(old), final(new))) if final(old) != final(new) else ()
    if old.gateway.host != new.gateway.host:
        return GatewayPlan(sort="replaced", image=image, changes=(*gateway_changes(old, new), *routes))
    return GatewayPlan(sort="reread" if routes else "unchanged", image=image, changes=routes)


def _dify(old: Deployment | None, new: Deployment, lacking: Sequence[str]) -> DifyPlan | None:
    before = None if old is None else installation(old.config, old.digests)
    after = installation(new.config, new.digests)
    if after is None:
        return None if before is None else DifyPlan(version=before.version, sort="removed")
    if before is None:
        return DifyPlan(version=after.version, sort="new")
    mine, theirs = ({one.name: one for one in found.services} for found in (before, after))
    fields = [dict(_leaves("", msgspec.to_builtins(found))) for found in (mine, theirs)]
    changes = _changes(*fields)
    sort: DifySort = "changed" if changes else "started" if lacking else "unchanged"
    return DifyPlan(version=after.version, sort=sort, lacking=tuple(lacking), changes=changes)


def gateway_changes(old: Deployment, new: Deployment) -> tuple[Change, ...]:
    """What of the gateway itself differs, its file aside."""
    return tuple(change for change in differences(old.gateway, new.gateway) if not change.field.startswith("files."))


def _fields(unit: Unit) -> Iterator[tuple[str, str]]:
    """Every value by its path: `memory_mb`, `environment.X`, `mounts.0.source`."""
    tree: Mapping[str, Any] = msgspec.to_builtins(unit)
    for name, value in tree.items():
        if name not in _SAYS_NOTHING:
            yield from _leaves(name, value)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _leaves(f"{name}.{key}".lstrip("."), entry)
    elif isinstance(value, list | tuple) and any(isinstance(entry, Mapping) for entry in value):
        for place, entry in enumerate(value, 1):
            yield from _leaves(f"{name}.{place}", entry)
    elif isinstance(value, list | tuple):
        yield name, " ".join(map(str, value))
    else:
        yield name, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _told(name: str, before: str, after: str) -> Iterator[Change]:
    if "\n" not in before + after:
        yield Change(name, before, after)
        return
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    told = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    gone = "\n".join(line[1:] for line in told if line.startswith("-"))
    come = "\n".join(line[1:] for line in told if line.startswith("+"))
    yield Change(name, gone, come)
