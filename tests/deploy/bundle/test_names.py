"""Which images are carried."""

from freehold import __version__
from freehold.deploy.bundle.names import names
from freehold.deploy.services.units import Facts
from freehold.deploy.topology.installation import installation
from tests.deploy.configured import configured, deployed

DIFY = (
    "models: [{id: a, source: a:1}, {id: far, source: 'https://llm.corp/v1'},"
    " {id: q, source: /m/q, image: 'vllm/vllm-openai:v1', command: [serve, '{port}']}]\n"
    "deploy: {registry: mirror.corp:5000}\ndify: {version: 1.15.0}\n"
)


def test_every_image_that_is_rendered_is_carried_under_its_origin_s_name() -> None:
    """Those of models, of the gateway and of every service of Dify, each once, whatever mirror the closed side has."""
    found = names(configured(DIFY))
    assert found[:2] == (f"freehold/freehold:{__version__}", "vllm/vllm-openai:v1")
    assert not any("mirror.corp" in name for name in found)
    dify = installation(configured(DIFY))
    assert dify is not None
    rendered = {service.image for service in dify.services}
    rendered |= {unit.image for unit in deployed(DIFY, {"a": Facts()}).units}
    assert {name.rpartition("/")[2] for name in rendered} <= {name.rpartition("/")[2] for name in found}
    assert len(found) == len(set(found))
