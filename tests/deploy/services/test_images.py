"""Where images are pulled from."""

import re
from typing import Any

import msgspec
import pytest

from freehold.config import Config, Deploy
from freehold.deploy.compose.render import render as for_compose
from freehold.deploy.kubernetes.rendering import render as for_kubernetes
from freehold.deploy.kubernetes.verification import verification
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.images import located, split
from freehold.deploy.yaml_text import as_yaml

DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("redis:7", "harbor.corp/mirror/library/redis:7"),
        ("freehold/freehold:1.0", "harbor.corp/mirror/freehold/freehold:1.0"),
        ("docker.io/vllm/vllm-openai:v0.31.0", "harbor.corp/mirror/vllm/vllm-openai:v0.31.0"),
        ("ghcr.io/org/app:1", "harbor.corp/mirror/org/app:1"),
        ("localhost:5000/app", "harbor.corp/mirror/app"),
        ("localhost/app:2", "harbor.corp/mirror/app:2"),
        ("harbor.corp/mirror/ours:3", "harbor.corp/mirror/ours:3"),
        ("harbor.corp/other/ours:3", "harbor.corp/mirror/other/ours:3"),
        (f"org/app@{DIGEST}", f"harbor.corp/mirror/org/app@{DIGEST}"),
    ],
)
def test_a_mirror_has_every_image_at_its_own_path(image: str, expected: str) -> None:
    """The host is replaced; an image of the mirror itself stays where it is."""
    assert located(image, Deploy(registry="harbor.corp/mirror/"), {}) == expected
    assert located(image, Deploy(), {}) == image


def test_what_is_known_by_digest_is_pulled_by_digest() -> None:
    """The name without it is the key; a tag is no longer said, since nothing would check it."""
    known = {"harbor.corp/m/org/app:1": DIGEST}
    assert located("org/app:1", Deploy(registry="harbor.corp/m"), known) == f"harbor.corp/m/org/app:1@{DIGEST}"
    assert located("org/app:1", Deploy(), known) == "org/app:1"


EVERY_IMAGE: dict[str, Any] = {
    "models": [
        {"id": "ours", "source": "ours:1"},
        {"id": "fast", "source": "/models/fast", "device": "cuda", "gpus": 1},
        {"id": "qwen", "source": "/models/qwen", "engine": "vllm", "gpus": 1},
        {"id": "tgi", "source": "/models/tgi", "image": "ghcr.io/org/tgi:3", "command": ["serve", "{port}"]},
    ],
    "deploy": {
        "registry": "harbor.corp/mirror",
        "pull_from": "harbor.corp/models",
        "storage": {"claim": "models", "size_gb": 1},
    },
}


@pytest.mark.parametrize("target", ["compose", "kubernetes"])
def test_no_rendering_names_an_image_of_another_place(target: str) -> None:
    """Gateway, servers, pulls, the doctor, the check, the loader: each image is the mirror's, by digest where known."""
    document = EVERY_IMAGE | {"deploy": EVERY_IMAGE["deploy"] | {"target": target}}
    known = {"harbor.corp/mirror/org/tgi:3": DIGEST}
    deployment = Deployment.of(msgspec.convert(document, Config), {}, known)
    if target == "compose":
        text = "\n".join(for_compose(deployment).values())
    else:
        jobs = [tree for unit in deployment.units for tree in verification(deployment, unit)]
        text = "\n".join([*for_kubernetes(deployment).values(), as_yaml(*jobs)])
    images = re.findall(r"^[ -]*image: (\S+)$", text, re.MULTILINE)
    assert len(set(images)) == 4
    assert all(image.startswith("harbor.corp/mirror/") for image in images)
    assert f"harbor.corp/mirror/org/tgi:3@{DIGEST}" in images


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("redis:7", ""),
        ("org/app:1", ""),
        ("localhost/app", "localhost"),
        ("h:5000/a", "h:5000"),
        ("ghcr.io/o/a@sha256:0", "ghcr.io"),
    ],
)
def test_a_registry_is_the_host_of_an_image(image: str, registry: str) -> None:
    """Docker Hub has no name in images."""
    assert split(image)[0] == registry


def test_an_image_that_was_loaded_from_a_file_is_its_id() -> None:
    """An engine knows no digest for it; the id alone is its name then, behind whatever mirror."""
    digests = {"redis:7": "id:sha256:0f", "m:5000/library/redis:7": "id:sha256:0f"}
    assert located("redis:7", Deploy(), digests) == "sha256:0f"
    assert located("redis:7", Deploy(registry="m:5000"), digests) == "sha256:0f"
