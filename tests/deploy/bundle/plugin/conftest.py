"""The wheels of the official plugin's requirements, fetched once; a key pair."""

import hashlib
import os
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from freehold.deploy.bundle.plugin.requirements import Wanted
from freehold.deploy.bundle.plugin.signature import new_pair
from freehold.deploy.bundle.plugin.wheels import fetch

from .packages import LOCKED

CACHE = Path(__file__).parents[4] / ".cache"


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """Every wheel of official.lock, from the index, once for each state of it."""
    pins = [pin for pin, _, _ in LOCKED]
    folder = CACHE / f"dify-plugin-{hashlib.sha256(repr(LOCKED).encode()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        fetch(Wanted(tuple(map(Requirement, pins))), ("amd64",), folder, os.environ)
        (folder / "complete").touch()
    return folder / "amd64"


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private and a public key."""
    return new_pair(tmp_path_factory.mktemp("keys") / "release")


def offline(*folders: Path) -> dict[str, str]:
    """An environment in which pip knows these folders and no index."""
    links = " ".join(map(str, folders))
    return {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links, "PIP_CONFIG_FILE": os.devnull}
