"""Which images a tag means: asked of a `docker` that knows three."""

import json
import os
from pathlib import Path

import pytest

from freehold.deploy.compose.digests import digests
from freehold.deploy.compose.docker import Docker
from tests.deploy.compose.test_docker import programs

AA, BB = f"sha256:{'aa' * 32}", f"sha256:{'bb' * 32}"
KNOWN = {
    "harbor.corp.local:5000/mirror/freehold:1": [
        f"other/freehold@{BB}",
        f"harbor.corp.local:5000/mirror/freehold@{AA}",
    ],
    "harbor.corp.local:5000/mirror/freehold": [f"harbor.corp.local:5000/mirror/freehold@{BB}"],
    "freehold/freehold:built-here": [],
}


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """A docker that tells the digests of these images and of no other."""
    script = f"known = {KNOWN!r}\nimport json\nname = sys.argv[-1]\n"
    script += "print(json.dumps(known.get(name, ''))); sys.exit(name not in known)"
    return Docker({**os.environ, **programs(tmp_path, docker=script)})


def test_a_tag_is_pinned_by_the_digest_of_its_own_registry(docker: Docker) -> None:
    """With and without a tag; the colon of a port is none."""
    found = digests(docker, [*KNOWN, *KNOWN])
    assert found == dict(zip(KNOWN, (AA, BB), strict=False))
    assert json.dumps(found)


def test_what_was_built_here_is_absent_or_pinned_already_has_none(docker: Docker) -> None:
    """Nothing is asked of a registry."""
    assert digests(docker, ["freehold/freehold:built-here", "redis:7", f"redis@{AA}"]) == {}
