"""Where images are pulled from."""

import pytest

from freehold.config import Deploy
from freehold.deploy.images import located

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
