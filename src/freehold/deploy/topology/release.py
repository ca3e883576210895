"""Releases of Dify as data: one file of `versions/` each, read and checked."""

from collections.abc import Container, Iterable, Mapping
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import yaml

from freehold.deploy.topology.service import Network, Probe
from freehold.errors import FreeholdError

_FOLDER = files("freehold.deploy.topology") / "versions"
_SUFFIX = ".yaml"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's reads the same, ten times as fast


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mapping of a release's file."""


class Kept(Data, frozen=True):
    """A volume of one service."""

    path: str
    size_gb: int = 10
    when: frozenset[str] = frozenset()


class Group(Data, frozen=True):
    """Variables that several services have. Those of a fixed one are not the user's to change."""

    environment: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    when: frozenset[str] = frozenset()
    fixed: bool = False


class Part(Data, frozen=True):
    """One service as the release has it: see `Service` for what is called the same there."""

    image: str
    when: frozenset[str] = frozenset()
    kind: Literal["server", "job"] = "server"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    given: Literal["none", "plain", "all"] = "none"
    """Which of the user's own variables it has: none, those that are no secrets, or all."""
    environment: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    secret_files: tuple[str, ...] = ()
    volumes: Mapping[str, Kept] = {}
    port: int = 0
    more_ports: tuple[int, ...] = ()
    networks: tuple[Network, ...] = ("default",)
    reaches: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    probe: Probe | None = None
    scale: Literal["one", "many"] = "one"
    user: str = ""
    writable: tuple[str, ...] = ()
    read_only: bool = False
    capabilities: tuple[str, ...] = ()
    stateful: bool = False


class Needs(Data, frozen=True):
    """What Dify itself asks of a machine for all services of a release."""

    cores: int
    memory_gib: int


class Release(Data, frozen=True):
    """One release of Dify."""

    release: str
    needs: Needs
    forbidden: tuple[str, ...]
    """Secrets that Dify publishes in its files."""
    secrets: Mapping[str, int]
    """By name, of how many letters and digits it is made."""
    paths: Mapping[str, str]
    groups: Mapping[str, Group]
    services: Mapping[str, Part]

    def publishes(self, text: str) -> bool:
        """Whether `text` is one of `forbidden`, or an address with one of them as its password."""
        try:
            return text in self.forbidden or urlsplit(text).password in self.forbidden
        except ValueError:  # it is no address
            return False

    def fixed(self) -> frozenset[str]:
        """The variables that are not the user's to set: others depend on them."""
        free = {name for group in self.groups.values() if not group.fixed for name in group.environment}
        taken = [name for group in self.groups.values() for name in (group.environment if group.fixed else ())]
        taken += [name for group in self.groups.values() for name in group.secrets]
        for part in self.services.values():
            taken += part.secrets
            if part.given != "none":
                taken += [name for name, text in part.environment.items() if f"${{{name}:-" not in text]
        return frozenset(taken) - free


def known() -> tuple[str, ...]:
    """The releases that there are, the oldest first."""
    names = [file.name.removesuffix(_SUFFIX) for file in _FOLDER.iterdir() if file.name.endswith(_SUFFIX)]
    return tuple(sorted(names, key=lambda name: tuple(map(int, name.split(".")))))


def release_of(version: str) -> Release:
    """The release, with every name in it checked.

    Raises FreeholdError `dify_version_unknown`, which lists those that there are. A file of ours that does not hold
    together is a mistake in this package: msgspec.ValidationError or ValueError.
    """
    if version not in known():
        raise FreeholdError("dify_version_unknown", version=version, known=", ".join(known()))
    text = (_FOLDER / f"{version}{_SUFFIX}").read_text("utf-8")
    return checked(msgspec.convert(yaml.load(text, Loader=_Loader), Release))  # noqa: S506 - one of the safe ones


def checked(release: Release) -> Release:
    """`release`, whose names all stand for something. Raises ValueError with the first that does not."""
    for name, part in release.services.items():
        _all_there(name, part.groups, release.groups)
        _all_there(name, part.after, release.services)
        _all_there(name, part.reaches, {*release.services, "gateway", "outside"})
        if part.image.endswith(":latest") or ":" not in part.image:
            raise ValueError(f"{name}: `{part.image}` is no fixed tag")
    _all_there("paths", release.paths.values(), release.services)
    order = list(release.services)
    for name, part in release.services.items():
        late = [one for one in part.after if order.index(one) > order.index(name)]
        if late:
            raise ValueError(f"{name}: `{late[0]}` starts after it")
    return release


def _all_there(name: str, wanted: Iterable[str], there: Container[str]) -> None:
    missing = [one for one in wanted if one not in there]
    if missing:
        raise ValueError(f"{name}: nothing is called `{missing[0]}`")
