"""The services of a Dify, by name."""

import pytest

from tests.deploy.topology.configured import installed


def test_a_service_is_found_by_its_name() -> None:
    """As the release calls it; another name is nobody's."""
    found = installed()
    assert found.service("api") in found.services
    with pytest.raises(KeyError, match="apy"):
        found.service("apy")
