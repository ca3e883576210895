"""Which images a tag means on this machine: what a release pins."""

import json
from collections.abc import Iterable, Mapping

from freehold.deploy.compose.docker import Docker


def digests(docker: Docker, images: Iterable[str]) -> Mapping[str, str]:
    """By name, the digest under which a registry gave the image; one that was built here has none, one that is not here
    is left out."""
    known = ((image, _digest(docker, image)) for image in dict.fromkeys(images) if "@" not in image)
    return {image: digest for image, digest in known if digest}


def _digest(docker: Docker, image: str) -> str:
    done = docker.tried("image", "inspect", "--format", "{{json .RepoDigests}}", image)
    pinned = json.loads(done.stdout) or () if done.returncode == 0 else ()
    of_name = f"{_repository(image)}@"
    return next((name.removeprefix(of_name) for name in pinned if name.startswith(of_name)), "")


def _repository(image: str) -> str:
    """The name without its tag; the colon of a port stands before a slash."""
    name, colon, tag = image.rpartition(":")
    return image if not colon or "/" in tag else name
