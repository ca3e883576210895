"""Writing the audit: administrative acts before they count as done, inference behind the requests.

What an administrator does waits for its line to be on disk. A request does not: its line stands in a queue that a
thread empties every `PERIOD_S`, so that a kill -9 may lose the lines of that time.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Literal

from freehold.access.act import Act
from freehold.access.trail import OURSELVES, Trail
from freehold.access.turned_away import Refused, TurnedAway
from freehold.errors import FreeholdError
from freehold.telemetry import Telemetry, names

WhenFull = Literal["refuse", "go_on"]
"""What becomes of an act whose line cannot be written: it is refused, or done and told of later."""

QUEUE = 10_000  # lines that wait
QUEUED_TEXT = 32 << 20  # characters of requests and answers in them
BATCH = 1000  # lines of one transaction
BATCH_TEXT = 4 << 20  # characters in them

_log = logging.getLogger(__name__)


class Audit:
    """The audit of one process. `note`, `permit` and `refused` are for its event loop, and wait for nothing."""

    def __init__(
        self,
        trail: Trail,
        telemetry: Telemetry,
        *,
        when_full: WhenFull = "refuse",
        inference: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`inference`: requests have lines, too."""
        self.trail = trail
        self.inference = inference
        self._refuses = when_full == "refuse"
        self._lines = telemetry.values(names.AUDIT_LINES).of()
        self._missing = telemetry.values(names.AUDIT_LOST).of()
        self._failing = telemetry.values(names.AUDIT_FAILING).of()
        self._waiting: deque[tuple[float, Act]] = deque()
        self._clock = clock
        self._turned_away = TurnedAway()
        self._lost = self._lost_told = 0  # each grows in one thread alone, as do the next two
        self._text = self._text_written = 0
        self._trouble = ""
        self._flushing = Lock()

    def note(self, act: Act) -> None:
        """Have `act` written soon. Never waits, never raises."""
        refuses = self._refuses and self.inference  # who does lets no more requests in, see `permit`
        if refuses or not self._is_full():
            if act.content:
                self._text += act.weight  # only those of requests, which come from one thread
            self._waiting.append((self._clock(), act))
        else:
            self._lost += 1

    def permit(self) -> None:
        """Before a request whose line has to be written: raises `audit_refused` while none can be."""
        if self._refuses and self.inference and (self._trouble or self._is_full()):
            reason = self._trouble or f"{len(self._waiting)} lines wait to be written"
            raise FreeholdError("audit_refused", reason=reason)

    def refused(self, refused: Refused) -> None:
        """Somebody got nothing but an error. Lines of these are written in groups: a flood of them fills no disk."""
        self._turned_away.add(refused)

    def write(self, act: Act) -> None:
        """Write the line of an administrative act; it is on disk when this returns. Waits for the database.

        Raises `audit_refused` where that fails. Where the choice is to go on, it is logged and written later.
        """
        try:
            head = self.trail.append([act])
        except FreeholdError as failure:
            self._failed(failure)
            if self._refuses:
                raise FreeholdError("audit_refused", reason=self._trouble) from failure
            _log.error("the audit lacks a line for now: %s by %s: %s", act.what, act.who, act.outcome)
            self.note(act)
        else:
            self._lines.inc()
            _log.info("audit %s: %s by %s: %s", head, act.what, act.who, act.outcome)

    @contextmanager
    def attempt(self, act: Act) -> Iterator[Callable[[Act], None]]:
        """Around an act that takes its time: one line that it was asked for, before it begins, and one how it ended.

        What is yielded takes the act as it turned out, for a digest that is known at its end. Raises as `write`; where
        the second line cannot be written, the act is done and so stays.
        """
        self.write(replace(act, outcome="asked"))
        ended = act

        def turned_out(as_it_was: Act) -> None:
            nonlocal ended
            ended = as_it_was

        outcome = "cut"
        try:
            yield turned_out
            outcome = act.outcome
        except FreeholdError as failure:
            outcome = failure.code
            raise
        finally:
            self._write_end(replace(ended, outcome=outcome))

    def flush(self) -> None:
        """Write what waits. While that fails, it goes on waiting."""
        with self._flushing:
            try:
                if self._trouble and not self._waiting:
                    self.trail.append([])  # else nothing would tell that the trouble is over, or that it is not
                while self._waiting or self._lost > self._lost_told:
                    self._write_batch()
            except FreeholdError as failure:
                self._failed(failure)
            else:
                if self._trouble:
                    _log.warning("the audit is being written again")
                self._trouble = ""
                self._failing.set(0.0)

    def group_refused(self) -> None:
        """Have what was refused since the last time written, as one group; later, while nothing can be written."""
        if self._trouble:
            return
        for act in self._turned_away.drain():
            self.note(act)

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        self.group_refused()
        self.flush()

    def _is_full(self) -> bool:
        return len(self._waiting) >= QUEUE or self._text - self._text_written >= QUEUED_TEXT

    def _write_batch(self) -> None:
        lost = self._lost - self._lost_told
        first, text = self._first()
        batch = [replace(act, at=at) for at, act in first]
        if lost:
            batch.append(Act("audit.lost", OURSELVES, details={"lines": lost}))
        head = self.trail.append(batch)
        for _ in first:
            self._waiting.popleft()
        self._text_written += text
        self._lost_told += lost
        self._lines.inc(len(batch))
        self._missing.inc(lost)
        _log.debug("audit %s", head)

    def _first(self) -> tuple[list[tuple[float, Act]], int]:
        """The lines to write at once, and the characters of their content: at least one where any waits."""
        first: list[tuple[float, Act]] = []
        text = 0
        while len(first) < min(BATCH, len(self._waiting)) and text < BATCH_TEXT:
            first.append(self._waiting[len(first)])
            text += first[-1][1].weight
        return first, text

    def _write_end(self, act: Act) -> None:
        try:
            self.write(act)
        except FreeholdError:
            self.note(act)

    def _failed(self, failure: FreeholdError) -> None:
        if not self._trouble:
            _log.error("the audit cannot be written: %s", failure.cause)
        self._trouble = f"its database cannot be written now, {failure.code}"  # where that is, is for the log alone
        self._failing.set(1.0)
