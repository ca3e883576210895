"""Who calls, behind proxies that are trusted and behind others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.http.proxies import TrustedProxies

TRUSTED = ("10.0.0.0/8", "2001:db8::/32", "127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", "192.0.2.1", "198.51.100.1"),  # nobody trusts it: whatever it writes
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9, 192.0.2.1", "192.0.2.1"),  # the first one may be invented
        ("10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"),  # two proxies of ours
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),  # all within
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("2001:db8::5", "192.0.2.1:4711", "192.0.2.1"),
        ("127.0.0.1", "[2001:db9::1]:4711", "2001:db9::1"),
        ("127.0.0.1", "2001:db9::1", "2001:db9::1"),
        ("127.0.0.1", "192.0.2.1, unknown", "127.0.0.1"),  # RFC 7239 allows words; no address is no client
        ("", "192.0.2.1", ""),
    ],
)
def test_who_calls(peer: str, forwarded: str, client: str) -> None:
    """The last entry that no proxy of ours is."""
    assert TrustedProxies(TRUSTED).client(peer, {b"x-forwarded-for": forwarded.encode()}) == client


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    """Anybody can write it."""
    assert TrustedProxies().client("127.0.0.1", {b"x-forwarded-for": b"192.0.2.1"}) == "127.0.0.1"


@given(st.binary())
def test_whatever_stands_there_is_an_address_or_left_out(forwarded: bytes) -> None:
    """A header is bytes that a client chose."""
    assert TrustedProxies(TRUSTED).client("10.0.0.1", {b"x-forwarded-for": forwarded})
