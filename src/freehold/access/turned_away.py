"""Failed logins in groups: a flood of them is a few lines of the audit, and none of its cost is a request's."""

from collections import Counter
from threading import Lock

from freehold.access.act import Act

MOST = 1000  # addresses that are told apart between two lines
LISTED = 20  # of these, how many get a line of their own
ELSEWHERE = "elsewhere"


class TurnedAway:
    """What was refused at the door since the last group of lines. Safe from any thread."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def add(self, address: str, code: str) -> None:
        """Count a login from `address` that ended with the error `code`."""
        with self._lock:
            known = (address, code) in self._counts or len(self._counts) < MOST
            self._counts[address if known else ELSEWHERE, code] += 1

    def drain(self) -> list[Act]:
        """The lines of this group: one for each of the addresses that failed most, and one for the rest by code."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        rest: Counter[tuple[str, str]] = Counter()
        acts: list[Act] = []
        for (address, code), count in counts.most_common():
            if len(acts) < LISTED and address != ELSEWHERE:
                acts.append(_act(address, code, count))
            else:
                rest[ELSEWHERE, code] += count
        return acts + [_act(address, code, count) for (address, code), count in rest.items()]


def _act(address: str, code: str, count: int) -> Act:
    """Nobody knows who that was, nor of which tenant."""
    return Act("login", "", tenant="", where=address, outcome=code, details={"times": count})
