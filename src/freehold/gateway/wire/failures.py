"""What became of a connection, as errors of the house.

Clients are told what happened and not where: addresses of the inner network stay in the log.
"""

import os
import socket
import ssl

from freehold.errors import FreeholdError
from freehold.gateway.wire.answer import GarbageError, SilenceError, UnreachableError, WireError
from freehold.gateway.wire.trust import trouble

RETRY_AFTER_S = 2
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


def redirected(model: str, status: int) -> FreeholdError:
    """It names another address. To follow would take the key, or the caller, where nobody has sent them."""
    reason = f"it redirects ({status}) to another address, which is not followed"
    return FreeholdError("upstream_garbage", model=model, reason=reason)


def before_answer(model: str, failure: WireError, seconds: float) -> FreeholdError:
    """What prevented the head of an answer. `seconds` is how long it was waited for."""
    if isinstance(failure, UnreachableError):
        reason = reason_of(failure.__cause__)
        return FreeholdError("upstream_unreachable", model=model, reason=reason, retry_after_s=RETRY_AFTER_S)
    if isinstance(failure, SilenceError):
        return FreeholdError("upstream_slow", model=model, seconds=seconds)
    if isinstance(failure, GarbageError):
        return FreeholdError("upstream_garbage", model=model, reason=f"what it sent is not HTTP ({failure})")
    reason = "it closed the connection without an answer"
    if isinstance(failure.__cause__, ssl.SSLError):  # TLS 1.3 tells so late that a certificate of ours is refused
        reason = reason_of(failure.__cause__)
    return FreeholdError("upstream_cut", model=model, reason=reason)


def within_answer(model: str, failure: WireError | ValueError, seconds: float) -> FreeholdError:
    """What ended an answer whose head had come. `seconds` is how long its next bytes were waited for."""
    if isinstance(failure, SilenceError):
        return FreeholdError("upstream_slow", model=model, seconds=seconds)
    if isinstance(failure, GarbageError | ValueError):
        return FreeholdError("upstream_garbage", model=model, reason=failure)
    return FreeholdError("upstream_cut", model=model, reason="the connection ended before the answer did")


def reason_of(cause: BaseException | None) -> str:
    """The system's own words, without the address that may stand in them."""
    if isinstance(cause, ssl.SSLError):
        return trouble(cause)
    if isinstance(cause, TimeoutError):
        return "it does not accept the connection in time"
    if isinstance(cause, socket.gaierror):
        return cause.strerror or "its name is not known"
    if isinstance(cause, OSError) and cause.errno is not None:
        return os.strerror(cause.errno)
    return "none of its addresses accepts a connection" if isinstance(cause, OSError) else "its name is no name"
