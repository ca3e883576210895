"""Which images are carried."""

import re

import pytest

from freehold import __version__
from freehold.deploy.bundle.names import names
from freehold.deploy.compose.render import render as for_compose
from freehold.deploy.kubernetes.rendering import render as for_kubernetes
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.images import located
from tests.deploy.configured import configured

MODELS = (
    "models: [{id: a, source: a:1}, {id: far, source: 'https://llm.corp/v1'},"
    " {id: q, source: /models/q, image: 'vllm/vllm-openai:v1', command: [serve, '{port}']}]\n"
)
COMPOSE = f"{MODELS}deploy: {{registry: 'm.corp:5000'}}\ndify: {{version: 1.15.0}}\n"
CLUSTER = (
    f"{MODELS}deploy: {{registry: 'm.corp:5000', target: kubernetes, pull_from: m.corp/a, storage: {{claim: c}}}}\n"
    "dify: {version: 1.15.0, ingress_host: dify.corp, storage: {endpoint: 'https://s3.corp', bucket: b,"
    " access_key: '${env:A}', secret_key: '${env:B}'}}\n"
)


def test_images_have_the_names_of_their_origins() -> None:
    """Each once, whatever mirror the closed side has."""
    found = names(configured(COMPOSE))
    assert found[:2] == (f"freehold/freehold:{__version__}", "vllm/vllm-openai:v1")
    assert "langgenius/dify-api:1.15.0" in found
    assert not any("m.corp" in name for name in found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(("text", "prefix"), [(COMPOSE, "id:sha256:"), (CLUSTER, "sha256:")])
def test_a_rendering_has_no_image_that_is_not_carried(text: str, prefix: str) -> None:
    """With the lock of all that is carried, every image is an id, or pinned by its digest: none is looked for."""
    config = configured(text)
    carried = [located(name, config.deploy, {}) for name in names(config)]
    lock = {name: f"{prefix}{number:064x}" for number, name in enumerate(carried)}
    deployment = Deployment.of(config, {}, lock)
    files = for_compose(deployment) if text == COMPOSE else for_kubernetes(deployment)
    images = re.findall(r"^[ -]*image: (\S+)$", "\n".join(files.values()), re.MULTILINE)
    assert len(set(images)) == len(carried)
    assert all(re.search(r"(^|@)sha256:[0-9a-f]{64}$", image) for image in images)
