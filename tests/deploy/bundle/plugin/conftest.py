"""A key pair, the wheels of the official plugin's requirements, and pip without an index."""

import os
from pathlib import Path

import pytest

from freehold.deploy.bundle.plugin.signature import new_pair

from .packages import fetched_wheels


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """The folder of the wheels."""
    return fetched_wheels()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private and a public key."""
    return new_pair(tmp_path_factory.mktemp("keys") / "release")


def offline(*folders: Path) -> dict[str, str]:
    """An environment in which pip knows these folders and no index."""
    links = " ".join(map(str, folders))
    return {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links, "PIP_CONFIG_FILE": os.devnull}
