"""One Dify, reached and signed in."""

import pytest

from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened, account
from tests.dify_console.state import Dify


@pytest.mark.parametrize(("version", "warned"), [("1.15.0", False), ("1.19.2", True), (None, True)])
def test_a_version_that_is_not_known_is_warned(
    opened: Opened, dify: Dify, said: list[str], version: str | None, warned: bool
) -> None:
    """Every answer is watched the same; nothing is decided by it."""
    dify.version = version
    with opened(dify) as console:
        assert console.version == (version or "")
        assert console.models.listed() == ()
    assert any("every answer is watched" in line for line in said) == warned


def test_another_workspace_than_the_one_that_is_meant(opened: Opened, dify: Dify) -> None:
    """It is told, not switched."""
    elsewhere = account(workspace="another")
    with pytest.raises(FreeholdError, match=r"\[dify_console_other_workspace\]"), opened(dify, elsewhere):
        pass
    with opened(dify, account(workspace=dify.workspace)) as console:
        assert console.uses.sees_all()
