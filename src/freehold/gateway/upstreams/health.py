"""When a server counts as down, and when it is cast out: two state machines, told what happened and when.

Probes and requests say different things. A probe tells whether a server is there at all; requests tell whether it does
its work. One that fails its probes is down until a probe passes; one that answers its probes and fails its requests
is ejected for a while, then let in again by one request that tries it.
"""

from dataclasses import dataclass

from freehold.errors import FreeholdError

DOUBTS = 3  # failed probes, with no answer to any request between them, until a server counts as down: it may be busy
CERTAIN = frozenset({"upstream_unreachable", "upstream_key_refused", "upstream_key_missing"})  # no doubt about these
LONGEST_S = 300.0  # an ejection; Envoy's `max_ejection_time`


@dataclass(frozen=True)
class Terms:
    """`failures` in a row eject a server for `first_s` seconds, and for twice as long each time in a row."""

    failures: int = 5
    first_s: float = 5.0


class Probed:
    """What probes tell of one server. Not known yet, it may be asked; `error` is why it may not."""

    def __init__(self) -> None:
        self.ready = False
        self.was_ready = False
        self.error: FreeholdError | None = None
        self.doubts = 0  # failed probes since it answered anything

    @property
    def may_be_asked(self) -> bool:
        """Whether nothing is known against it."""
        return self.ready or self.error is None

    def passed(self) -> bool:
        """A probe was answered well. Whether that is news."""
        news = not self.ready
        self.ready, self.was_ready, self.error, self.doubts = True, True, None, 0
        return news

    def failed(self, error: FreeholdError) -> bool:
        """A probe was not. Whether it went down by that: one that is ready has the benefit of the doubt."""
        self.doubts += 1
        if self.ready and error.code not in CERTAIN and self.doubts < DOUBTS:
            return False
        news = self.ready or self.error is None
        self.lost(error)
        return news

    def lost(self, error: FreeholdError | None) -> None:
        """It is gone; without an error it is expected back at once."""
        self.ready, self.error = False, error

    def heard(self) -> None:
        """It has begun to answer a request: however slow it is to answer probes, it works."""
        self.doubts = 0


class Ejection:
    """Whether requests are kept from one server because those before them failed; a circuit breaker.

    Closed, until `Terms.failures` requests in a row have failed. Then open: no request, for a time. Then half open: one
    request at a time tries it, and the first answer that begins closes it. A trial that nobody hears of again (its
    client left) keeps others out for one more such time only.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._failures = 0  # in a row
        self._times = 0  # ejections in a row
        self._until: float | None = None  # None: closed
        self._tried = False  # the request that may bring it back is under way
        self._returned = float("-inf")

    @property
    def ejected(self) -> bool:
        """Whether it is out, or on trial."""
        return self._until is not None

    def admits(self, now: float) -> bool:
        """Whether a request may be sent to it."""
        return self._until is None or now >= self._until

    def took(self, now: float) -> None:
        """A request is sent to it, even where `admits` was overruled."""
        if self._until is not None and now >= self._until:
            self._tried = True
            self._until = now + self._period_s

    def answered(self, now: float) -> bool:
        """The answer to a request has begun well. Whether that brought it back."""
        if self._until is None:
            return False
        self._until, self._returned, self._failures = None, now, 0
        return True

    def finished(self) -> None:
        """An answer has come whole. One that only begins well ends no row of failures: it may yet be cut."""
        self._failures = 0

    def failed(self, now: float) -> bool:
        """A request was not. Whether that ejected it, or kept it out for longer.

        Of one that is out already only its trial counts: requests that were sent before fail late.
        """
        if self._until is not None and not self._tried:
            return False
        self._failures += 1
        if self._until is None and self._failures < self.terms.failures:
            return False
        if self._until is None and now - self._returned > self._period_s:
            self._times = 0  # it has been in for longer than it was out: this begins anew
        self._times += 1
        self._until, self._tried = now + self._period_s, False
        return True

    def forget(self) -> bool:
        """It is another process now than the one that failed. Whether that brought it back."""
        was = self.ejected
        self._failures, self._times, self._until, self._tried = 0, 0, None, False
        return was

    @property
    def _period_s(self) -> float:
        doubled: float = self.terms.first_s * 2.0 ** min(max(self._times - 1, 0), 32)
        return min(doubled, max(LONGEST_S, self.terms.first_s))
