"""Which of several servers gets a request: the least busy one, or the one that its beginning belongs to.

Both look only at how many requests each has in flight, and never choose one that has reached its bound.
"""

from collections.abc import Sequence
from math import ceil
from typing import Protocol, TypeVar

import xxhash

OVER_MEAN = 1.25
"""How far above the mean load a server may be filled with requests that belong to it: c of bounded loads."""


class Loaded(Protocol):
    """What is chosen from. `turn` is larger for what was chosen later; `seed` is its own, whatever else there is."""

    outstanding: int
    turn: int
    seed: int


L = TypeVar("L", bound=Loaded)


def least(candidates: Sequence[L], pending: int | None) -> L | None:
    """The one with the fewest requests in flight, of equals the one that was not chosen for longest.

    None where all have `pending` in flight.
    """
    best = min(candidates, key=lambda one: (one.outstanding, one.turn), default=None)
    return None if best is None or _full(best, pending) else best


def by_key(candidates: Sequence[L], key: bytes, pending: int | None) -> L | None:
    """The one that `key` belongs to, or the next in the key's own order that is not overfull; None as in `least`.

    Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, SODA 2018): none is given a request that
    would bring it above ceil(c * mean). The order is by rendezvous hashing (Thaler, Ravishankar 1998), not by a ring:
    the few servers of a model are compared in a microsecond, what one cannot take is spread over all others and not
    heaped on its neighbour, and one that comes or goes moves only the keys that it wins or had.
    """
    total = sum(one.outstanding for one in candidates) + 1
    bound = ceil(OVER_MEAN * total / len(candidates)) if candidates else 0
    digest = xxhash.xxh64_digest(key)
    fitting = (one for one in candidates if one.outstanding < bound and not _full(one, pending))
    return max(fitting, key=lambda one: xxhash.xxh64_intdigest(digest, one.seed), default=None)


def seed_of(name: str) -> int:
    """What a server is told apart by when keys are shared out: the same after a restart, and at every gateway."""
    return xxhash.xxh64_intdigest(name.encode())


def _full(one: Loaded, pending: int | None) -> bool:
    return pending is not None and one.outstanding >= pending
