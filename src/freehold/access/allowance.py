"""What a request holds while it is under way, and what its answer says of the limits."""

from collections.abc import Callable
from math import ceil
from time import monotonic
from types import TracebackType
from typing import Self

from freehold.access.slices import Places, Slice

Headers = tuple[tuple[bytes, bytes], ...]

_OF_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_OF_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")


class Allowance:
    """One request that was counted, until it is settled. As a context it settles what nobody settled: at no tokens."""

    __slots__ = ("_entered", "_is_open", "_owe", "_places", "_requests", "_reserved", "_tokens")

    def __init__(
        self,
        requests: tuple[Slice, ...],
        tokens: tuple[Slice, ...],
        places: tuple[Places, ...],
        reserved: int,
        entered: float,
        owe: Callable[[Slice], None],
    ) -> None:
        """`reserved` tokens were taken of each of `tokens`, at `entered` by `time.monotonic()`; `owe` hears of what
        becomes a debt."""
        self._requests = requests
        self._tokens = tokens
        self._places = places
        self._reserved = reserved
        self._entered = entered
        self._owe = owe
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.settle(0)

    def settle(self, tokens: int) -> None:
        """The request is over and has used `tokens` in all; its place is free. A second time does nothing.

        What was taken too little is taken now; what was taken too much is given back, but not to a later window.
        """
        if not self._is_open:
            return
        self._is_open = False
        for one in self._tokens:
            if tokens > self._reserved or self._entered >= one.begun:
                one.left += self._reserved - tokens
                if one.left < 0:
                    self._owe(one)
        for places in self._places:
            places.left += 1
            places.busy -= 1

    def headers(self) -> Headers:
        """`x-ratelimit-*` as OpenAI's API has them, each of the limit of which least is left; () where none is set."""
        return headers(self._requests, self._tokens)


def headers(requests: tuple[Slice, ...], tokens: tuple[Slice, ...]) -> Headers:
    """The headers of `Allowance.headers`, for an answer without one, too."""
    now = monotonic()
    return _told(_OF_REQUESTS, requests, now) + _told(_OF_TOKENS, tokens, now)


def _told(names: tuple[bytes, bytes, bytes], slices: tuple[Slice, ...], now: float) -> Headers:
    if not slices:
        return ()
    limit, remaining, reset = names
    tightest = slices[0] if len(slices) == 1 else min(slices, key=_remaining)
    return (
        (limit, b"%d" % tightest.limit),
        (remaining, b"%d" % tightest.remaining),
        (reset, duration(tightest.until - now)),
    )


def duration(seconds: float) -> bytes:
    """As OpenAI's headers write a time: `850ms`, `12s`, `6m0s`, `3h25m40s`. Rounded up: who waits so long has waited
    enough."""
    if seconds <= 0.999:
        return b"%dms" % max(0, ceil(seconds * 1000))
    whole = ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, rest)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest


def _remaining(one: Slice) -> int:
    return one.remaining
