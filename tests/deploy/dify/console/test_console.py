"""One Dify, reached and signed in."""

import pytest

from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened, account
from tests.dify_console.state import Dify


@pytest.mark.parametrize("version", ["1.15.0", "1.19.2", None])
def test_the_version_is_told_and_decides_nothing(opened: Opened, dify: Dify, version: str | None) -> None:
    """Every answer is held against its shape, whatever it is."""
    dify.version = version
    with opened(dify) as console:
        assert console.version == (version or "")
        assert console.models.listed() == ()


def test_another_workspace_than_the_one_that_is_meant(opened: Opened, dify: Dify) -> None:
    """It is told, not switched."""
    elsewhere = account(workspace="another")
    with pytest.raises(FreeholdError, match=r"\[dify_console_other_workspace\]"), opened(dify, elsewhere):
        pass
    with opened(dify, account(workspace=dify.workspace)) as console:
        assert console.uses.sees_all()
