"""The wheels that a package needs, for the daemon's Python and its machine: resolved by pip, closed, and checked.

The daemon's image is Ubuntu 24.04 (docker/local.dockerfile), so glibc 2.39. pip judges markers by the Python that it
runs with, which need not be the daemon's; so what it found is followed from wheel to wheel once more, by the daemon's.
"""

import copy
import email.parser
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from freehold.deploy.bundle.plugin.package import PYTHON
from freehold.deploy.bundle.plugin.requirements import Wanted
from freehold.errors import FreeholdError

Architecture = Literal["amd64", "arm64"]

MACHINES: Mapping[Architecture, str] = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = 39
PIP_S = 1800  # without an end, after which it counts as stuck
LAST_LINES = 4
ROUNDS = 8

_NONE_FOUND = re.compile(r"No matching distribution found for ([^\n(]+)")
_CONFLICT = "The conflict is caused by:\n"
_MAX_METADATA = 1 << 20


@dataclass(frozen=True)
class Wheel:
    """A wheel on this disk."""

    name: str
    version: str
    path: Path
    digest: str
    """sha256, in hex."""
    requires: tuple[Requirement, ...] = ()


def fetch(
    wanted: Wanted, architectures: Iterable[Architecture], folder: Path, environ: Mapping[str, str]
) -> tuple[Wheel, ...]:
    """Every wheel that `wanted` comes to on these machines, in `folder`; sorted by file.

    pip's own settings count: PIP_INDEX_URL, PIP_CERT, PIP_NO_INDEX with PIP_FIND_LINKS, HTTPS_PROXY. All machines get
    the same versions. Raises FreeholdError `plugin_wheel_missing` (there are sources alone, or nothing),
    `plugin_download_failed`, `plugin_wheel_changed` (not the file that the package's lock names).
    """
    chosen: dict[str, Wheel] = {}
    versions = dict(wanted.locked)
    for architecture in architectures:
        for wheel in _closed(wanted, versions, architecture, folder / architecture, environ):
            chosen[wheel.path.name] = wheel
            versions[wheel.name] = wheel.version
    for wheel in chosen.values():
        known = wanted.digests.get((wheel.name, wheel.version))
        if known and wheel.digest not in known:
            raise FreeholdError("plugin_wheel_changed", file=wheel.path.name, found=wheel.digest)
    return tuple(chosen[name] for name in sorted(chosen))


def _closed(
    wanted: Wanted, versions: Mapping[str, str], architecture: Architecture, folder: Path, environ: Mapping[str, str]
) -> list[Wheel]:
    folder.mkdir(parents=True, exist_ok=True)
    asked = list(wanted.requirements)
    for _ in range(ROUNDS):
        _download(asked, versions, architecture, folder, environ)
        have = {wheel.name: wheel for wheel in map(opened, sorted(folder.glob("*.whl")))}
        reached, missing = follow(wanted.requirements, have, environment(architecture))
        if not missing:
            return reached
        asked += map(_bare, missing)
    raise FreeholdError(
        "plugin_wheel_missing", wanted=", ".join(str(_bare(one)) for one in missing), architecture=architecture
    )


def follow(
    roots: Iterable[Requirement], have: Mapping[str, Wheel], markers: Mapping[str, str]
) -> tuple[list[Wheel], list[Requirement]]:
    """The wheels that `roots` come to, and the requirements on the way that none of `have` answers."""
    reached: dict[str, Wheel] = {}
    missing: list[Requirement] = []
    done: set[tuple[str, str]] = set()
    waiting = [one for one in roots if _applies(one, markers, "")]
    while waiting:
        requirement = waiting.pop()
        wheel = have.get(canonicalize_name(requirement.name))
        if wheel is None or not requirement.specifier.contains(wheel.version, prereleases=True):
            missing.append(requirement)
            continue
        reached[wheel.name] = wheel
        for extra in ("", *requirement.extras):
            if (wheel.name, extra) not in done:
                done.add((wheel.name, extra))
                waiting += [one for one in wheel.requires if _applies(one, markers, extra)]
    return list(reached.values()), missing


def environment(architecture: Architecture) -> dict[str, str]:
    """What markers see in the daemon (PEP 508)."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{PYTHON}.3",
        "os_name": "posix",
        "platform_machine": MACHINES[architecture],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{PYTHON}.3",
        "python_version": PYTHON,
        "sys_platform": "linux",
    }


def opened(path: Path) -> Wheel:
    """What a wheel says of itself. Raises FreeholdError `plugin_wheel_unreadable`."""
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            entry = next(one for one in archive.infolist() if one.filename.endswith(".dist-info/METADATA"))
            if entry.file_size > _MAX_METADATA:
                raise FreeholdError("plugin_wheel_unreadable", path=path, reason="its METADATA is too long")
            metadata = email.parser.HeaderParser().parsestr(archive.read(entry).decode(errors="replace"))
        requires = tuple(map(Requirement, metadata.get_all("Requires-Dist", [])))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, StopIteration, zipfile.BadZipFile, InvalidWheelFilename) as error:
        raise FreeholdError("plugin_wheel_unreadable", path=path, reason=error or "it has no METADATA") from error
    return Wheel(name, str(version), path, digest, requires)


def _applies(requirement: Requirement, markers: Mapping[str, str], extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**markers, "extra": extra})


def _bare(requirement: Requirement) -> Requirement:
    """Without the marker: that it applies is known, and pip would judge it by another Python."""
    bare = copy.copy(requirement)
    bare.marker = None
    return bare


def _platforms(machine: str) -> list[str]:
    older = {"x86_64": ["manylinux2014", "manylinux2010", "manylinux1"], "aarch64": ["manylinux2014"]}[machine]
    return [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)] + [f"{old}_{machine}" for old in older]


def _download(
    asked: Iterable[Requirement],
    versions: Mapping[str, str],
    architecture: Architecture,
    folder: Path,
    environ: Mapping[str, str],
) -> None:
    lists = {"asked.txt": map(str, asked), "versions.txt": (f"{name}=={of}" for name, of in sorted(versions.items()))}
    for name, lines in lists.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    command = [sys.executable, "-m", "pip", "download", "--no-input"]
    command += ["--progress-bar", "off", "--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", PYTHON]
    command += [word for abi in ("cp312", "abi3", "none") for word in ("--abi", abi)]
    command += [word for one in _platforms(MACHINES[architecture]) for word in ("--platform", one)]
    command += ["--requirement", str(folder / "asked.txt"), "--constraint", str(folder / "versions.txt")]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PIP_S,
        )
        said, code = done.stdout + done.stderr, done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        said, code = str(error), 1
    if code == 0:
        return
    if none := _NONE_FOUND.search(said):
        raise FreeholdError("plugin_wheel_missing", wanted=none[1].strip(), architecture=architecture)
    raise FreeholdError("plugin_download_failed", said=_told(said))


def _told(said: str) -> str:
    """Of pip's many lines those with the reason."""
    _, _, conflict = said.partition(_CONFLICT)
    lines = conflict.strip("\n").partition("\n\n")[0] if conflict else said
    kept = [line.strip() for line in lines.splitlines() if line.strip() and not line.startswith("WARNING")]
    return " | ".join(kept[-LAST_LINES:]) or "nothing"
