"""What the tags of images mean on a real engine."""

import json
import sys
from pathlib import Path

from freehold.deploy.compose.digests import digests
from freehold.deploy.compose.docker import Docker
from tests.docker import Engine


def test_an_image_that_no_registry_knows_has_no_digest(docker: Engine, base_image: str) -> None:
    """One that was built or loaded here, and one that is not here at all."""
    assert digests(Docker(docker.environment), [base_image, "nowhere.example/x:1"]) == {}


def test_a_digest_is_that_of_the_name_it_was_pulled_by(tmp_path: Path) -> None:
    """The same image may have come from several registries; a colon may be a port's."""
    program = tmp_path / "docker"
    known = ["mirror.example:5000/x@sha256:aa", "docker.io/x@sha256:bb"]
    program.write_text(f"#!{sys.executable}\nprint('{json.dumps(known)}')\n")
    program.chmod(0o755)
    docker = Docker({"PATH": str(tmp_path)})
    assert digests(docker, ["mirror.example:5000/x:1", "other.example/x", "mirror.example:5000/x@sha256:cc"]) == {
        "mirror.example:5000/x:1": "sha256:aa"
    }
    assert digests(docker, ["mirror.example:5000/x"]) == {"mirror.example:5000/x": "sha256:aa"}
