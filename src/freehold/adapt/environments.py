"""Environments of their own for raw frameworks: found, or made from the lock that lies in this package.

TensorFlow lives apart from ours: 1.5 GB with pins of its own, of which serving needs nothing.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from freehold.config import home
from freehold.errors import FreeholdError

Say = Callable[[str], None]

UNFINISHED = ".unfinished"
LAST_LINES = 6


@dataclass(frozen=True)
class Framework:
    """A raw framework with an environment of its own; `variable` names a Python that has it."""

    name: str
    variable: str

    @property
    def lock(self) -> bytes:
        """Pinned requirements with the hashes of all their files, for pip; no index."""
        return files("freehold.adapt").joinpath("locks", f"{self.name}.lock").read_bytes()

    def place(self, environ: Mapping[str, str]) -> Path:
        """Where `create` puts it. It need not be there."""
        return home(environ) / "environments" / self.name

    def python(self, environ: Mapping[str, str]) -> Path | None:
        """The Python to start for this framework; None for the one that runs us.

        By turns: the one that `variable` names, the one that `create` made, ours where the framework is installed.
        Raises FreeholdError `environment_python_missing`, `environment_missing`.
        """
        named = environ.get(self.variable)
        if named:
            if not os.access(named, os.X_OK) or Path(named).is_dir():
                raise FreeholdError("environment_python_missing", variable=self.variable, path=named)
            return Path(named)
        place = self.place(environ)
        if python_of(place).exists() and not (place / UNFINISHED).exists():
            return python_of(place)
        if importlib.util.find_spec(self.name) is not None:
            return None
        raise FreeholdError("environment_missing", name=self.name, place=place, variable=self.variable)


FRAMEWORKS = {"tensorflow": Framework("tensorflow", "FREEHOLD_TENSORFLOW_PYTHON")}


def framework(name: str) -> Framework:
    """By its name. Raises FreeholdError `environment_unknown`."""
    if name not in FRAMEWORKS:
        raise FreeholdError("environment_unknown", name=name, known=", ".join(FRAMEWORKS))
    return FRAMEWORKS[name]


def python_of(place: Path) -> Path:
    """The Python of a virtual environment."""
    return place / "bin" / "python"


def create(wanted: Framework, environ: Mapping[str, str], say: Say, base: Path | None = None) -> Path:
    """Make the environment anew under `$FREEHOLD_HOME/environments` with the Python `base` (default: ours); its Python.

    pip takes every file from where `environ` says (PIP_INDEX_URL, PIP_FIND_LINKS, proxies) and compares its hash. One
    that was interrupted is not used, and is made anew. Raises FreeholdError `environment_failed`; what was there before
    is gone then.
    """
    place = wanted.place(environ)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / UNFINISHED).touch()
    say(f"Making an environment in {place}")
    with tempfile.TemporaryDirectory(prefix="freehold-lock-") as folder:
        lock = Path(folder) / f"{wanted.name}.lock"
        lock.write_bytes(wanted.lock)
        _run([base or Path(sys.executable), "-m", "venv", place], wanted, environ)
        say(f"Installing {wanted.name} (1.5 GB)")
        options = ("--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:")
        pip: list[str | Path] = [python_of(place), "-m", "pip", "install", *options, "--require-hashes", "-r", lock]
        _run(pip, wanted, environ)
    (place / UNFINISHED).unlink()
    return python_of(place)


def _run(command: list[str | Path], wanted: Framework, environ: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        said, code = done.stderr or done.stdout, done.returncode
    except OSError as error:
        said, code = str(error), 1
    if code != 0:
        lines = [line.strip() for line in said.splitlines() if line.strip()][-LAST_LINES:]
        raise FreeholdError("environment_failed", name=wanted.name, step=command[2], said=" | ".join(lines))
