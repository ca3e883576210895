"""Hosts that are the caller itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"])
def test_who_calls_itself(host: str) -> None:
    """By name (RFC 6761), by any address of loopback, by the address of all addresses."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "gateway", "localhost.corp", "10.0.0.1", "[::1", "::2"])
def test_who_calls_another(host: str) -> None:
    """Names are not looked up."""
    assert not is_loopback(host)


@settings(max_examples=50)
@given(st.ip_addresses(v=4))
def test_loopback_is_what_the_standard_says(address: object) -> None:
    """127.0.0.0/8 and the address of all addresses, nothing else."""
    assert is_loopback(str(address)) == (str(address).startswith("127.") or str(address) == "0.0.0.0")
