"""The defaults of what clients may hold."""

import pytest

from freehold.http import CROWD, Bounds


def test_a_proxy_in_front_closes_idle_connections_first() -> None:
    """nginx keeps them for 60 s: if we closed first, a request on its way would be lost, and Dify never retries."""
    assert Bounds().keep_alive_s > 60


@pytest.mark.parametrize("bounds", [Bounds(), CROWD])
def test_every_wait_for_a_client_is_bounded(bounds: Bounds) -> None:
    """None is endless, and all unfinished heads together fit in 256 MB."""
    assert 0 < bounds.head_s <= 10
    assert 0 < bounds.linger_s <= 10
    assert 0 < bounds.stalled_s <= 60
    assert bounds.connections * bounds.head_bytes <= 1 << 28
