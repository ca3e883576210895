"""From a package as it was published to one that a closed network installs: `make`, and `check` at the other end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from freehold.deploy.bundle.plugin.package import Package, read
from freehold.deploy.bundle.plugin.repacking import repack
from freehold.deploy.bundle.plugin.requirements import wanted
from freehold.deploy.bundle.plugin.signature import Signed, read_private, sign, verify
from freehold.deploy.bundle.plugin.wheels import Architecture, Wheel, fetch
from freehold.deploy.topology.trust import read_package_key


@dataclass(frozen=True)
class Made:
    """A signed package, and the wheels in it as files of the folder that `make` was given."""

    package: Package
    wheels: tuple[Wheel, ...]


def make(
    source: Path,
    key: Path,
    folder: Path,
    time: int,
    environ: Mapping[str, str],
    architectures: Iterable[Architecture] = ("amd64",),
) -> Made:
    """The package in `source` with its wheels, signed by the private `key` at `time` (Unix); `folder` is scratch.

    The same bytes from the same package, wheels, key and time. Raises as `read`, `wanted`, `fetch`, `read_private`.
    """
    private = read_private(key)
    package = read(source)
    wheels = fetch(wanted(package), architectures, folder, environ)
    return Made(sign(repack(package, wheels), private, time), wheels)


def check(path: Path, keys: Iterable[Path]) -> tuple[Package, Signed]:
    """The package in `path`, signed by one of the public `keys`. Raises as `read`, `read_package_key`, `verify`."""
    publics = [read_package_key(key) for key in keys]
    package = read(path)
    return package, verify(package, publics)
