"""What a package asks of Python's index, in its own words: the first of `pyproject.toml` and `requirements.txt`.

That order is the daemon's (detectDependencyFileType). Nothing here runs or fetches anything: a line that would, a URL
or another file say, is an error.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from freehold.deploy.bundle.plugin.package import Package
from freehold.errors import FreeholdError

PYPROJECT = "pyproject.toml"
REQUIREMENTS = "requirements.txt"
LOCK = "uv.lock"

# Where files come from is said where this runs, never in a package.
_ABOUT_INDEXES = ("-i", "--index-url", "--extra-index-url", "--trusted-host", "-f", "--find-links", "--no-index")


@dataclass(frozen=True)
class Wanted:
    """Requirements; versions by name that the package's author locked; digests (sha256, hex) by (name, version)."""

    requirements: tuple[Requirement, ...]
    locked: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


def wanted(package: Package) -> Wanted:
    """What `package` asks for.

    Raises FreeholdError `plugin_requirements_missing`, `plugin_requirements_invalid`, `plugin_requirement_refused`.
    """
    project = package.text(PYPROJECT)
    if project is not None:
        listed = _dependencies(_toml(project, PYPROJECT))
        lock = package.text(LOCK)
        locked, digests = _locked(_toml(lock, LOCK)) if lock is not None else ({}, {})
        return Wanted(tuple(_requirement(text, PYPROJECT, 0) for text in listed), locked, digests)
    text = package.text(REQUIREMENTS)
    if text is None:
        raise FreeholdError("plugin_requirements_missing", plugin=package.identity)
    return _listed(text)


def _toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FreeholdError("plugin_requirements_invalid", file=file, reason=error) from error


def _dependencies(project: dict[str, Any]) -> list[str]:
    table = project.get("project")
    found = table.get("dependencies") if isinstance(table, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise FreeholdError("plugin_requirements_invalid", file=PYPROJECT, reason="`project.dependencies` is no list")
    sources = project.get("tool", {}).get("uv", {}).get("sources") if isinstance(project.get("tool"), dict) else None
    if sources:
        names = ", ".join(map(str, sources))
        reason = "`tool.uv.sources` takes it from elsewhere than an index"
        raise FreeholdError("plugin_requirement_refused", where=PYPROJECT, text=names, reason=reason)
    return found


def _locked(lock: dict[str, Any]) -> tuple[dict[str, str], dict[tuple[str, str], frozenset[str]]]:
    """Versions that are locked to one alone: a lock for many platforms may hold two, and then the index decides."""
    versions: dict[str, set[str]] = {}
    digests: dict[tuple[str, str], frozenset[str]] = {}
    try:
        for one in lock.get("package", []):
            if "registry" not in one["source"]:
                continue  # the plugin itself
            name, version = canonicalize_name(one["name"]), str(one["version"])
            versions.setdefault(name, set()).add(version)
            told = [wheel.get("hash", "") for wheel in one.get("wheels", [])]
            digests[name, version] = frozenset(h.removeprefix("sha256:") for h in told if h.startswith("sha256:"))
    except (KeyError, TypeError, AttributeError) as error:
        raise FreeholdError("plugin_requirements_invalid", file=LOCK, reason=f"no package list: {error}") from error
    return {name: next(iter(of)) for name, of in versions.items() if len(of) == 1}, digests


def _listed(text: str) -> Wanted:
    found: list[Requirement] = []
    digests: dict[tuple[str, str], frozenset[str]] = {}
    for number, line in _lines(text):
        words = line.split()
        if words[0].split("=")[0] in _ABOUT_INDEXES:
            continue
        hashes = frozenset(w.removeprefix("--hash=sha256:") for w in words if w.startswith("--hash=sha256:"))
        requirement = _requirement(" ".join(w for w in words if not w.startswith("--hash=")), REQUIREMENTS, number)
        found.append(requirement)
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if hashes and len(exact) == 1:
            digests[canonicalize_name(requirement.name), exact[0]] = hashes
    return Wanted(tuple(found), digests=digests)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1: continued ones joined, without comments and empty ones."""
    held, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first or number
        if raw.rstrip().endswith("\\"):
            held += raw.rstrip()[:-1] + " "
            continue
        line = held + raw
        line = "" if line.lstrip().startswith("#") else line.split(" #")[0].strip()
        if line:
            yield first, line
        held, first = "", 0
    if held.strip():
        yield first, held.strip()


def _requirement(text: str, file: str, line: int) -> Requirement:
    """Line 0: the file has no lines to speak of. Raises `plugin_requirement_refused`."""
    where = f"{file}:{line}" if line else file
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise FreeholdError(
            "plugin_requirement_refused", where=where, text=text, reason="it is no name with versions"
        ) from error
    if requirement.url is not None:
        raise FreeholdError("plugin_requirement_refused", where=where, text=text, reason="it names an address")
    return requirement
