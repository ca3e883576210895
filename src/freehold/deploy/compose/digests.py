"""Which images a tag means on this machine: what a release pins."""

import json
from collections.abc import Iterable, Mapping

from freehold.deploy.compose.docker import Docker


def digests(docker: Docker, images: Iterable[str]) -> Mapping[str, str]:
    """By name, the digest under which a registry gave the image; one that was built here has none, one that is not here
    is left out."""
    found = {}
    for image in dict.fromkeys(images):
        done = docker.tried("image", "inspect", "--format", "{{json .RepoDigests}}", image)
        if done.returncode == 0 and "@" not in image:
            repository = _repository(image)
            pinned = (name.partition("@") for name in json.loads(done.stdout) or ())
            found |= {image: digest for name, _, digest in pinned if name == repository}
    return found


def _repository(image: str) -> str:
    """The name without its tag; the colon of a port stands before a slash."""
    name, colon, tag = image.rpartition(":")
    return image if not colon or "/" in tag else name
