"""What was refused, in groups: a flood of it is a few lines of the audit, and none of its cost is a request's."""

from collections import Counter
from threading import Lock
from typing import NamedTuple

from freehold.access.act import Act

MOST = 1000  # refusals that are told apart between two lines
LISTED = 20  # of these, how many get a line of their own
ELSEWHERE = "elsewhere"


class Refused(NamedTuple):
    """What was refused to whom at which address, and by which error. `who` is empty where nobody knows."""

    what: str
    address: str
    code: str
    who: str = ""
    tenant: str = ""


class TurnedAway:
    """What was refused since the last group of lines. Safe from any thread."""

    def __init__(self) -> None:
        self._counts: Counter[Refused] = Counter()
        self._lock = Lock()

    def add(self, refused: Refused) -> None:
        """Count one more of it."""
        with self._lock:
            known = refused in self._counts or len(self._counts) < MOST
            self._counts[refused if known else _rest(refused)] += 1

    def drain(self) -> list[Act]:
        """The lines of this group: one for each of those that were most, and one for the rest by what it was."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        rest: Counter[Refused] = Counter()
        acts: list[Act] = []
        for refused, count in counts.most_common():
            if len(acts) < LISTED and refused.address != ELSEWHERE:
                acts.append(_act(refused, count))
            else:
                rest[_rest(refused)] += count
        return acts + [_act(refused, count) for refused, count in rest.items()]


def _rest(refused: Refused) -> Refused:
    """What stands for it and all its like."""
    return Refused(refused.what, ELSEWHERE, refused.code)


def _act(refused: Refused, count: int) -> Act:
    """One that nobody knows is of no tenant."""
    what, address, code, who, tenant = refused
    return Act(what, who, tenant, where=address, outcome=code, details={"times": count})
