"""What a rollout asks of the places where services run."""

import inspect

import pytest

from freehold.deploy.compose.target import ComposeTarget
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.target import Running, Target

METHODS = ("running", "verify", "start", "scale", "route", "stop", "ask", "logs")


@pytest.mark.parametrize("place", [ComposeTarget, Cluster])
@pytest.mark.parametrize("method", METHODS)
def test_every_place_is_asked_in_the_same_words(place: type, method: str) -> None:
    """A rollout calls by name, and with the defaults that the protocol has."""
    wanted, found = (inspect.signature(getattr(owner, method)).parameters for owner in (Target, place))
    assert {name: one.default for name, one in found.items()} == {name: one.default for name, one in wanted.items()}


def test_the_methods_are_those_of_the_protocol() -> None:
    """One that is added is added here, too."""
    assert {name for name, _ in inspect.getmembers(Target, inspect.isfunction) if not name.startswith("_")} == {
        *METHODS
    }


def test_what_runs_needs_a_reason_only_where_it_is_not_ready() -> None:
    """It is told apart by its host alone."""
    assert Running("minilm-3f9a12c4", "ready").reason is None
