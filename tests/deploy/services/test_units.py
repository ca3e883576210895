"""The nouns of a deployment."""

import msgspec
import pytest

from freehold.deploy.services.units import Facts, Mount, SecretFile, Unit
from tests.deploy.configured import only


def test_a_unit_is_reached_by_its_name_and_its_revision() -> None:
    """So two versions of it can run beside each other."""
    unit = Unit("minilm", "models", (), "i:1", ("serve",), revision="3f9a12c4")
    assert unit.host == "minilm-3f9a12c4"


def test_the_least_that_is_said_is_the_least_that_is_allowed() -> None:
    """Files to be read, no device, no secret in the environment."""
    unit = Unit("minilm", "models", (), "i:1", ("serve",))
    assert Mount("/a", "/a").read_only
    assert (unit.mounts, unit.secrets, unit.gpus, unit.gpu_ids, unit.https) == ((), (), None, (), False)
    assert SecretFile("a").origin == ""
    assert Facts().bytes is None


@pytest.mark.parametrize(
    "text",
    [
        "models: [{id: a, source: 'a:1', gpus: 1}]\ndeploy: {}\n",
        "models: [{id: a, source: /m/a, engine: vllm, gpus: {count: 2, resource: amd.com/gpu}}]\n",
    ],
)
def test_a_unit_comes_back_from_its_json(text: str) -> None:
    """Releases keep it so."""
    unit = only(text)
    assert msgspec.json.decode(msgspec.json.encode(unit), type=Unit) == unit
