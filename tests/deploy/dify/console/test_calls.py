"""Calls: what a failing one leaves behind, and who may make it."""

from typing import Literal

import pytest

from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened
from tests.dify_console.model_server import ModelServer
from tests.dify_console.state import PROVIDER, Dify

MODELS = f"GET /console/api/workspaces/current/model-providers/{PROVIDER}/models"
SHAPE = r"GET .*/models .*models: \[\].*\[dify_console_shape\]"


@pytest.mark.parametrize("role", ["editor", "normal"])
def test_an_account_without_rights_is_told(
    opened: Opened, dify: Dify, models: ModelServer, role: Literal["editor", "normal"]
) -> None:
    """Only owners and administrators change models."""
    dify.users[0].role = role
    with opened(dify) as console, pytest.raises(FreeholdError, match=r"\[dify_console_forbidden\]"):
        console.models.set_defaults({"llm": "chat"})


def test_a_newer_shape_stops_the_step_and_names_it(opened: Opened, dify: Dify) -> None:
    """A field that is not there any more."""
    dify.changed[MODELS] = lambda body: {"models": body["data"]}
    with opened(dify) as console, pytest.raises(FreeholdError, match=SHAPE):
        console.models.listed()


def test_an_outage_in_mid_work_is_told_with_its_step(opened: Opened, dify: Dify) -> None:
    """Nothing was changed by it."""
    with opened(dify) as console:
        dify.outages = 1
        with pytest.raises(FreeholdError, match=r"GET .*/models \(status 502\).*\[dify_console_refused\]"):
            console.models.listed()
        assert console.models.listed() == ()
