"""The front's half of quotas: what it may still use of a budget without asking anybody.

A slice is counted down by requests and filled again by exchanges with the database. Nothing here waits, locks or
looks at a clock: times are `time.monotonic()`, given by the caller, so that the wall clock of a node counts nowhere.
"""

from dataclasses import dataclass
from typing import Literal

from freehold.access.leases import LAPSE_S, Ask, Grant, Hold, Place

PARTS = 50
"""A slice is this part of its limit: three nodes that are killed strand 6 % of it. Of fewer none is kept ready, since
another node may have a request for it."""
RECHECK_S = 1.0  # a budget that gave less than was wanted is asked again after this long

Unit = Literal["requests", "tokens"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is counted, and over how many seconds."""

    unit: Unit
    span_s: int

    @property
    def name(self) -> str:
        """Its name in the database."""
        return f"{self.unit}/{self.span_s}"


class Slice:
    """A part of what one key or team may use in one window.

    `left` may be used until `until`; below 0 it is a debt, which the next exchange settles. `awaited` is what requests
    wait for now. Until `dry_until` asking again would bring nothing.
    """

    __slots__ = (
        "__weakref__",
        "_back",
        "_debt",
        "_wanted",
        "asked",
        "awaited",
        "begun",
        "dry_until",
        "left",
        "limit",
        "low",
        "measure",
        "size",
        "subject",
        "taken",
        "until",
        "used",
        "window",
    )

    def __init__(self, subject: str, measure: Measure, limit: int) -> None:
        self.subject = subject
        self.measure = measure
        self.left = 0
        self.begun = 0.0
        self.until = 0.0
        self.window = -1
        self.taken = 0
        self.awaited = 0
        self.dry_until = 0.0
        self.used = False
        self.asked = False
        self._back = self._debt = self._wanted = 0
        self.change(limit)

    def change(self, limit: int) -> None:
        """Go on with another limit. What is left beyond a slice of that is given back."""
        self.limit = limit
        self.size = limit // PARTS
        self.low = (self.size + 1) // 2
        self.dry_until = 0.0
        spare = max(0, self.left - self.size)
        self.left -= spare
        self._back += spare

    @property
    def remaining(self) -> int:
        """What is left of the whole budget, as far as this front knows."""
        known = self.limit - self.taken + self.left
        if known < 0:
            return 0
        return known if known < self.limit else self.limit

    def give_back(self, now: float) -> bool:
        """Have the next exchange give back what was not touched since the last call; whether it has anything of that,
        or a debt, to tell."""
        if not self.used and self.left > 0 and now < self.until:
            self._back += self.left
            self.left = 0
        self.used = False
        return self._back > 0 or self.left < 0

    def ask(self, now: float) -> Ask:
        """The next exchange. What it gives back can no longer be used here."""
        if now >= self.until:
            self.left = min(self.left, 0)
        self._debt = max(0, -self.left)
        filling = self.size if self.awaited or self.used else 0
        self._wanted = max(0, self.awaited + filling - max(0, self.left))
        self.awaited = 0
        back, self._back = self._back, 0
        return Ask(
            self.subject,
            self.measure.name,
            self.measure.span_s,
            self.limit,
            self.window,
            self._wanted,
            self._debt,
            back,
        )

    def answer(self, grant: Grant, asked_at: float, now: float) -> None:
        """Take what an exchange brought; the window is counted from its begin at `asked_at`: no slice outlives it."""
        since = self.left + self._debt  # what was used while it was under way is in here
        if grant.window != self.window:
            since = min(since, 0)  # nothing of one window is left in another
            self.window = grant.window
            self.begun = now
        self.left = since + grant.granted
        self.until = asked_at + grant.ends_in_s
        self.taken = grant.taken
        self.dry_until = min(asked_at + RECHECK_S, self.until) if grant.granted < self._wanted else 0.0
        self.asked = False


class Places:
    """Places among the requests of one key or team that are under way: `left` are free, `busy` are in use."""

    __slots__ = (
        "__weakref__",
        "_registered",
        "_wanted",
        "asked",
        "awaited",
        "busy",
        "dry_until",
        "least",
        "left",
        "limit",
        "size",
        "subject",
        "taken",
        "until",
    )

    def __init__(self, subject: str, limit: int) -> None:
        self.subject = subject
        self.left = 0
        self.busy = 0
        self.least = 0  # so many were free at every moment since places were last given back
        self.until = 0.0
        self.taken = 0
        self.awaited = 0
        self.dry_until = 0.0
        self.asked = False
        self._registered = self._wanted = 0
        self.change(limit)

    def change(self, limit: int) -> None:
        """Go on with another limit."""
        self.limit = limit
        self.size = limit // PARTS
        self.dry_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether there is anything to renew."""
        return self._registered > 0 or self.busy > 0

    def give_back(self, now: float) -> bool:
        """Give up the places that nobody needed since the last call; whether an exchange has to tell the database so,
        or to renew what is held."""
        spare = max(0, min(self.least, self.left))
        self.left -= spare
        self.least = max(0, self.left)
        return self.is_held and (spare > 0 or now >= self.until - LAPSE_S / 2)

    def ask(self, now: float) -> Hold:
        """The next exchange; it also renews what is held."""
        # places that lapsed may be others' by now; and what began while nobody could be asked is busy, and no debt
        self.left = max(self.left, 0) if now < self.until else 0
        filling = self.size if self.awaited else 0
        self._wanted = max(0, self.awaited + filling - self.left)
        self.awaited = 0
        self._registered = self.busy + self.left
        return Hold(self.subject, self.limit, self._registered, self.left, self._wanted)

    def answer(self, place: Place, asked_at: float) -> None:
        """Take what the exchange that began at `asked_at` brought."""
        self.left += place.granted
        self._registered += place.granted
        self.until = asked_at + LAPSE_S
        self.taken = place.taken
        self.dry_until = asked_at + RECHECK_S if place.granted < self._wanted else 0.0
        self.asked = False
