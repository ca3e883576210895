"""Who presents wrong keys again and again is not heard for a while, by the address that it comes from.

256 random bits cannot be guessed; what this keeps away is the load of trying, and it leaves a word in the log. Many
clients may share an address, all of a Dify do: a key that was right from there before goes on. A key that was wrong and
is right now was no guess: it was made a moment ago, and tried before this process knew of it. An address is one of
IPv4, or the /64 that one customer has of IPv6 (RFC 6177). What is remembered is bounded.
"""

import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

ATTEMPTS = 10
"""Wrong keys within WINDOW_S after which an address is not heard."""
WINDOW_S = 60.0
LOCK_S = 60.0
"""How long it is not heard the first time; twice as long each time after, up to LONGEST_LOCK_S."""
LONGEST_LOCK_S = 3600.0
ADDRESSES = 10_000
"""So many addresses that failed are remembered, the latest."""
ACQUAINTED = 10_000
"""So many pairs of an address and a key that was right from there are remembered, the first."""


@dataclass(slots=True)
class _Failures:
    """What one address did: wrong keys since `since`, how often it was locked, and until when. By the clock.

    `tried` are the SHA-256 of those that ended in the last lock, or would in the next.
    """

    since: float
    count: int = 0
    tried: set[bytes] = field(default_factory=set)
    locks: int = 0
    locked_until: float = 0.0


class Guessing:
    """The wrong keys of the last minutes. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._acquainted: set[tuple[str, bytes]] = set()
        self._locked_until = 0.0  # when the last lock ends: until the first one, requests look no further

    def welcome(self, address: str, sha256: bytes) -> None:
        """A right key came from `address`. Raises `key_guessing` where it is not heard and the key is new there."""
        known = (address, sha256)
        if known in self._acquainted:
            return
        if self._locked_until and self._clock() < self._locked_until:
            self._refuse(network(address), sha256)
        if len(self._acquainted) < ACQUAINTED:
            self._acquainted.add(known)

    def failed(self, address: str, sha256: bytes) -> None:
        """A wrong key came from `address`; nothing is known of an empty one. Raises `key_guessing`, not heard."""
        if not address:
            return
        place, now = network(address), self._clock()
        self._refuse(place)
        known = self._failures.get(place)
        if known is None:
            known = self._failures[place] = _Failures(now)
            if len(self._failures) > ADDRESSES:
                self._failures.popitem(last=False)
        self._failures.move_to_end(place)
        if now - known.since > WINDOW_S or not known.count:
            known.since, known.count = now, 0
            known.tried.clear()
        known.count += 1
        known.tried.add(sha256)
        if known.count >= ATTEMPTS:
            known.locked_until = now + min(LOCK_S * 2**known.locks, LONGEST_LOCK_S)
            known.locks, known.count = min(known.locks + 1, 16), 0
            log.warning("Too many wrong keys came from %s: it is not heard for %d s", place, known.locked_until - now)
            self._locked_until = max(self._locked_until, known.locked_until)

    def _refuse(self, place: str, right: bytes = b"") -> None:
        """Raises `key_guessing` where `place` is not heard; not for a `right` key that was among the wrong ones."""
        known = self._failures.get(place)
        left = 0.0 if known is None else known.locked_until - self._clock()
        if known is not None and right in known.tried:
            del self._failures[place]
        elif left > 0:
            raise FreeholdError("key_guessing", address=place, retry_after_s=math.ceil(left))


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, also one mapped into IPv6 (RFC 4291, 2.5.5.2); an IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
