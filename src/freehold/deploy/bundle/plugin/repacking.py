"""A package that asks nobody for anything: its wheels inside, and a list of requirements that names only them."""

from collections.abc import Iterable
from dataclasses import replace

from freehold.deploy.bundle.plugin.package import DAEMON_LIMIT, MEBIBYTE, Package
from freehold.deploy.bundle.plugin.requirements import LOCK, PYPROJECT, REQUIREMENTS
from freehold.deploy.bundle.plugin.wheels import Wheel

WHEELS = "wheels/"

_STEP = 10 * MEBIBYTE
_HEAD = f"""\
# The wheels beside this file, and nothing else: `freehold bundle plugin` put them there.
--no-index
--find-links=./{WHEELS}
"""


def repack(package: Package, wheels: Iterable[Wheel]) -> Package:
    """`package` with `wheels` in it, pinned and with their digests; unsigned.

    `pyproject.toml` and `uv.lock` go: where the first is, the daemon runs `uv sync` on it and never looks at
    `requirements.txt`, unless PIP_MIRROR_URL is set; and a lock holds the addresses of a public index.
    """
    dropped = (PYPROJECT, LOCK, REQUIREMENTS)
    kept = package.unsigned().files.items()
    files = {path: raw for path, raw in kept if path not in dropped and not path.startswith(WHEELS)}
    held = sorted(wheels, key=lambda wheel: wheel.path.name)
    files |= {f"{WHEELS}{wheel.path.name}": wheel.path.read_bytes() for wheel in held}
    files[REQUIREMENTS] = _requirements(held).encode()
    return replace(package, files={path: files[path] for path in sorted(files)}, comment=b"")


def limit_wanted(package: Package) -> int | None:
    """What PLUGIN_MAX_PACKAGE_SIZE of Dify must be for this package, in bytes; None: as it comes is enough."""
    if package.size <= DAEMON_LIMIT:
        return None
    return -(-package.size // _STEP) * _STEP


def _requirements(wheels: list[Wheel]) -> str:
    digests: dict[tuple[str, str], list[str]] = {}
    for wheel in wheels:
        digests.setdefault((wheel.name, wheel.version), []).append(f"--hash=sha256:{wheel.digest}")
    return _HEAD + "".join(f"{name}=={of} {' '.join(found)}\n" for (name, of), found in sorted(digests.items()))
