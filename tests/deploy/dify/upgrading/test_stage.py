"""The contract of a stage."""

from inspect import signature

from freehold.deploy.dify.upgrading.compose import ComposeStage
from freehold.deploy.dify.upgrading.stage import Stage


def test_compose_is_a_stage() -> None:
    """It has every method, with the same parameters."""
    for name in ("put", "migrate", "run", "start", "try_out"):
        assert (
            signature(getattr(ComposeStage, name)).parameters.keys()
            == signature(getattr(Stage, name)).parameters.keys()
        )
