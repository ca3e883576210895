"""The defaults of what clients may hold."""

from freehold.http import Bounds


def test_a_proxy_in_front_closes_idle_connections_first() -> None:
    """nginx keeps them for 60 s: if we closed first, a request on its way would be lost, and Dify never retries."""
    assert Bounds().keep_alive_s > 60


def test_every_wait_for_a_client_is_bounded() -> None:
    """No default is endless."""
    bounds = Bounds()
    assert 0 < bounds.head_s <= 10
    assert 0 < bounds.linger_s <= 10
    assert 0 < bounds.stalled_s <= 60
    assert bounds.connections * bounds.head_bytes <= 1 << 28
