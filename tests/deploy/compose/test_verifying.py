"""The image that is to come, asked about its models by a real engine before anything starts."""

import pytest

from freehold.errors import FreeholdError
from tests.deploy.compose.conftest import Yard


def test_models_that_are_refused_refuse_the_deployment(yard: Yard) -> None:
    """With the image's own words; it has no network, and nothing is left of the run."""
    target = yard.target()
    good, bad = yard.deployment(yard.unit("11111111")), yard.deployment(yard.unit("22222222", "broken\n"))
    target.verify(good, good.units)
    with pytest.raises(FreeholdError) as refused:
        target.verify(bad, bad.units)
    assert refused.value.code == "compose_verify_failed"
    assert "It computes something else." in refused.value.cause
    assert refused.value.fix == "Convert it again."
    assert target.running() == []
    assert [path.name for path in yard.folder.iterdir() if path.name.startswith(".")] == []


def test_an_image_that_says_nothing_of_ours_is_quoted(yard: Yard) -> None:
    """It may be any."""
    wanted = yard.deployment(yard.unit("33333333", entrypoint=("false",)))
    with pytest.raises(FreeholdError) as refused:
        yard.target().verify(wanted, wanted.units)
    assert refused.value.code == "compose_failed"
    assert "docker run" in refused.value.fix
