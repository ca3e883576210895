"""The contract of a stage."""

from inspect import signature

import pytest

from freehold.deploy.dify.upgrading.cluster import ClusterStage
from freehold.deploy.dify.upgrading.compose import ComposeStage
from freehold.deploy.dify.upgrading.stage import Stage


@pytest.mark.parametrize("kind", [ComposeStage, ClusterStage])
def test_both_are_stages(kind: type) -> None:
    """Each has every method, with the same parameters."""
    for name in ("put", "migrate", "run", "start", "try_out"):
        assert signature(getattr(kind, name)).parameters.keys() == signature(getattr(Stage, name)).parameters.keys()
