"""What a connection's failure is called, and that no address is told."""

import errno
import socket
import ssl

import pytest

from freehold.gateway.wire.answer import (
    CutError,
    GarbageError,
    SilenceError,
    StaleError,
    UnreachableError,
    WireError,
)
from freehold.gateway.wire.failures import before_answer, reason_of, redirected, within_answer

REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed ('10.1.2.3', 8000)")
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
UNTRUSTED.verify_code = 64
UNTRUSTED.verify_message = "IP address mismatch, certificate is not valid for '10.1.2.3'."


def of_tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL] (_ssl.c:1006)")
    error.reason = reason
    return error


def caused(failure: WireError, cause: BaseException) -> WireError:
    failure.__cause__ = cause
    return failure


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (REFUSED, "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("Multiple exceptions: 10.1.2.3, 10.1.2.4"), "none of its addresses accepts a connection"),
        (UNTRUSTED, "its certificate is for another address than its own"),
        (of_tls("NO_SHARED_CIPHER"), "TLS fails (no shared cipher)"),
        (TimeoutError(), "it does not accept the connection in time"),
        (UnicodeError("label empty or too long"), "its name is no name"),
    ],
)
def test_the_reason_is_in_the_systems_words(cause: BaseException, reason: str) -> None:
    """Without the address that may stand in them."""
    assert reason_of(cause) == reason
    assert "10.1.2" not in str(before_answer("m", caused(UnreachableError(), cause), 5.0))


@pytest.mark.parametrize(
    ("failure", "before", "within"),
    [
        (UnreachableError(), "upstream_unreachable", "upstream_cut"),
        (SilenceError(), "upstream_slow", "upstream_slow"),
        (CutError(), "upstream_cut", "upstream_cut"),
        (StaleError(), "upstream_cut", "upstream_cut"),
        (GarbageError("Expected HTTP/"), "upstream_garbage", "upstream_garbage"),
    ],
)
def test_each_failure_has_its_code(failure: WireError, before: str, within: str) -> None:
    """Before an answer and in the middle of one."""
    assert before_answer("m", failure, 50.0).code == before
    assert within_answer("m", failure, 50.0).code == within


def test_an_event_that_is_too_long_is_garbage() -> None:
    """It came over the wire as it should."""
    error = within_answer("m", ValueError("one event is longer than 16 bytes"), 50.0)
    assert (error.code, "longer than 16" in error.cause) == ("upstream_garbage", True)


def test_a_server_that_refuses_our_certificate_says_so_late() -> None:
    """TLS 1.3 tells it only when the request has been sent."""
    error = before_answer("m", caused(CutError(), of_tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")), 5.0)
    assert "wants a certificate of this node" in error.cause


def test_a_redirection_says_its_status() -> None:
    """Whose address is right is for who configured it to find out."""
    error = redirected("m", 308)
    assert error.code == "upstream_garbage"
    assert "308" in error.cause
