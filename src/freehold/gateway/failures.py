"""What aiohttp raises, as errors of the house.

Clients are told what happened and not where: addresses of the inner network stay in the log.
"""

import os
import socket

import aiohttp

from freehold.errors import FreeholdError

RETRY_AFTER_S = 2
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


def unreachable(model: str, failure: Exception) -> FreeholdError:
    """No connection could be made, or it did not last to the first byte of an answer to a probe."""
    return FreeholdError("upstream_unreachable", model=model, reason=reason_of(failure), retry_after_s=RETRY_AFTER_S)


def redirected(model: str, status: int) -> FreeholdError:
    """It names another address. To follow would take the key, or the caller, where nobody has sent them."""
    reason = f"it redirects ({status}) to another address, which is not followed"
    return FreeholdError("upstream_garbage", model=model, reason=reason)


def is_of_connecting(failure: Exception) -> bool:
    """Whether nothing of a request can have reached the other side, so that sending it again is safe."""
    return isinstance(failure, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def before_answer(model: str, failure: Exception, seconds: float) -> FreeholdError:
    """What prevented the head of an answer. `seconds` is how long it was waited for."""
    if is_of_connecting(failure):
        return unreachable(model, failure)
    if isinstance(failure, TimeoutError):
        return FreeholdError("upstream_slow", model=model, seconds=seconds)
    if isinstance(failure, aiohttp.ClientConnectionError | OSError):
        return FreeholdError("upstream_cut", model=model, reason="it closed the connection without an answer")
    return FreeholdError("upstream_garbage", model=model, reason="what it sent is not HTTP")


def within_answer(model: str, failure: Exception, seconds: float) -> FreeholdError:
    """What ended an answer whose head had come. `seconds` is how long its next bytes were waited for."""
    if isinstance(failure, TimeoutError):
        return FreeholdError("upstream_slow", model=model, seconds=seconds)
    if isinstance(failure, ValueError):
        return FreeholdError("upstream_garbage", model=model, reason=failure)
    return FreeholdError("upstream_cut", model=model, reason="the connection ended before the answer did")


def reason_of(failure: Exception) -> str:
    """The system's own words, without the address that aiohttp puts before them."""
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({failure.certificate_error})"
    if isinstance(failure, TimeoutError):
        return "it does not accept the connection in time"
    cause = getattr(failure, "os_error", failure)
    if isinstance(cause, socket.gaierror):
        return cause.strerror or "its name is not known"
    if isinstance(cause, OSError) and cause.errno is not None:
        return os.strerror(cause.errno)
    return "none of its addresses accepts a connection" if isinstance(cause, OSError) else type(cause).__name__
