"""Deployments as text for Compose: exact files, and what both composers make of them."""

import pytest

from freehold.deploy.compose.render import render
from tests.deploy.compose.deployments import CASES
from tests.deploy.rendered_text import check_rendered


@pytest.mark.parametrize("case", CASES)
def test_a_deployment_is_rendered_as_agreed(case: str) -> None:
    """Byte by byte, and the same again."""
    files = render(CASES[case])
    assert files == render(CASES[case])
    check_rendered(f"compose/{case}", files)
