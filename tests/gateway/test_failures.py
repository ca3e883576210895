"""What a connection's failure is called, and that no address is told."""

import errno
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from freehold.gateway.failures import before_answer, is_of_connecting, reason_of, redirected, unreachable, within_answer

PLACE = ConnectionKey("10.1.2.3", 8000, False, True, None, None, None)
REFUSED = aiohttp.ClientConnectorError(PLACE, OSError(errno.ECONNREFUSED, "Connect call failed ('10.1.2.3', 8000)"))
UNKNOWN = aiohttp.ClientConnectorDNSError(PLACE, socket.gaierror(-2, "Name or service not known"))
SEVERAL = aiohttp.ClientConnectorError(PLACE, OSError("Multiple exceptions: 10.1.2.3, 10.1.2.4"))
HANDSHAKE = aiohttp.ClientConnectorCertificateError(PLACE, ValueError("self-signed certificate"))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (REFUSED, "Connection refused"),
        (UNKNOWN, "Name or service not known"),
        (SEVERAL, "none of its addresses accepts a connection"),
        (HANDSHAKE, "its certificate is not trusted (self-signed certificate)"),
        (aiohttp.ConnectionTimeoutError(), "it does not accept the connection in time"),
        (aiohttp.ServerDisconnectedError(), "ServerDisconnectedError"),
    ],
)
def test_the_reason_is_in_the_systems_words(failure: Exception, reason: str) -> None:
    """Without the address that aiohttp puts before them."""
    assert reason_of(failure) == reason
    assert "10.1.2" not in str(unreachable("m", failure))


@pytest.mark.parametrize(
    ("failure", "before", "within", "of_connecting"),
    [
        (REFUSED, "upstream_unreachable", "upstream_cut", True),
        (aiohttp.ConnectionTimeoutError(), "upstream_unreachable", "upstream_slow", True),
        (aiohttp.SocketTimeoutError(), "upstream_slow", "upstream_slow", False),
        (aiohttp.ServerDisconnectedError(), "upstream_cut", "upstream_cut", False),
        (ConnectionResetError(), "upstream_cut", "upstream_cut", False),
        (aiohttp.ClientPayloadError(), "upstream_garbage", "upstream_cut", False),
        (ValueError("an event"), "upstream_garbage", "upstream_garbage", False),
    ],
)
def test_each_failure_has_its_code(failure: Exception, before: str, within: str, of_connecting: Any) -> None:
    """Only where nothing can have arrived may a request be sent again."""
    assert before_answer("m", failure, 50.0).code == before
    assert within_answer("m", failure, 50.0).code == within
    assert is_of_connecting(failure) is of_connecting


def test_a_redirection_says_its_status() -> None:
    """Whose address is right is for who configured it to find out."""
    error = redirected("m", 308)
    assert error.code == "upstream_garbage"
    assert "308" in error.cause
