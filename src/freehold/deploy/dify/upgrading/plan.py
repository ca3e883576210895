"""What an upgrade changes, before anything is changed: two releases as the same configuration renders them.

Sources: a release's own file (deploy/topology/versions); `flask backfill-plugin-auto-upgrade` from the notes of Dify
1.16; that Weaviate is upgraded one minor version at a time, from its own and Dify's migration pages.
"""

import re
from collections.abc import Mapping

import msgspec

from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError

Numbers = tuple[int, ...]

STEPS: tuple[tuple[Numbers, tuple[str, ...]], ...] = (((1, 16), ("flask", "backfill-plugin-auto-upgrade")),)
"""From which version on, what runs once in the api service after the migration, for who comes from below it."""
_LADDER = "weaviate"
_POSTGRES = ("db_postgres", "pgvector")


class Change(msgspec.Struct, frozen=True):
    """What was, and what will be; None where it was or will not be. Nothing secret: those are named in braces."""

    what: str
    before: str | None
    after: str | None


class Plan(msgspec.Struct, frozen=True):
    """One upgrade."""

    before: str
    after: str
    images: tuple[Change, ...]
    environment: tuple[Change, ...]
    """`SERVICE.NAME`."""
    secrets: tuple[str, ...]
    """Those that are made for it."""
    services: tuple[Change, ...]
    """Those that come or go."""
    steps: tuple[tuple[str, ...], ...]
    """What runs after the migration, in the api service's image."""


def plan(old: Installation, new: Installation) -> Plan:
    """What changes from `old` to `new`. Raises `dify_upgrade_same`, `dify_upgrade_back`, `dify_upgrade_ladder`,
    `dify_upgrade_postgres`."""
    if numbers(new.version) == numbers(old.version):
        raise FreeholdError("dify_upgrade_same", version=new.version)
    if numbers(new.version) < numbers(old.version):
        raise FreeholdError("dify_upgrade_back", before=old.version, after=new.version)
    were, will = _images(old), _images(new)
    _check_stores(were, will)
    return Plan(
        before=old.version,
        after=new.version,
        images=_changes({name: were[name] for name in were.keys() & will.keys()}, will, only_common=True),
        environment=_changes(_variables(old), _variables(new)),
        secrets=tuple(name for name in new.secrets if name not in old.secrets),
        services=tuple(one for one in _changes(were, will) if one.before is None or one.after is None),
        steps=tuple(words for since, words in STEPS if numbers(old.version) < since <= numbers(new.version)),
    )


def numbers(version: str) -> Numbers:
    """`1.15.0` as something to compare."""
    return tuple(int(one) for one in re.findall(r"[0-9]+", version)[:3])


def _check_stores(were: Mapping[str, str], will: Mapping[str, str]) -> None:
    """Databases that cannot read one another's files, or not by one step."""
    if _LADDER in were and _LADDER in will:
        before, after = _tag(were[_LADDER]), _tag(will[_LADDER])
        if before[:1] != after[:1] or after[1:2] > (before[1] + 1,):
            raise FreeholdError("dify_upgrade_ladder", before=_dotted(before), after=_dotted(after))
    for name in _POSTGRES:
        if name in were and name in will and _tag(were[name])[:1] != _tag(will[name])[:1]:
            raise FreeholdError("dify_upgrade_postgres", service=name, before=were[name], after=will[name])


def _tag(image: str) -> Numbers:
    """The version in an image's tag, whatever registry and digest are around it."""
    return numbers(image.partition("@")[0].rpartition(":")[2])


def _dotted(version: Numbers) -> str:
    return ".".join(map(str, version))


def _images(installation: Installation) -> dict[str, str]:
    return {service.name: service.image for service in installation.services}


def _variables(installation: Installation) -> dict[str, str]:
    return {
        f"{service.name}.{name}": text
        for service in installation.services
        for name, text in {**service.environment, **service.secrets}.items()
    }


def _changes(before: Mapping[str, str], after: Mapping[str, str], *, only_common: bool = False) -> tuple[Change, ...]:
    names = sorted(before.keys() & after.keys() if only_common else before.keys() | after.keys())
    return tuple(
        Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )
