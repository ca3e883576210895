"""Whether the audit is whole: every line's hash computed anew, from where the chain begins to its last line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from freehold.access.act import GENESIS, hash_after, is_hash, written
from freehold.access.trail import PRUNED, Kept, Query, Trail
from freehold.access.witness import Head

Fault = Literal["begun", "gap", "changed", "columns", "head", "anchor", "witness"]
"""`begun`: lines before the first one are missing, and no pruning says so. `gap`: lines are missing before this one.
`changed`: this line, or the hash of the one before it, is not what was written. `columns`: the line is right, and what
it is found by is not. `head`: the database's own head is not the last line. `anchor`: a head that was noted elsewhere
is not in the chain. `witness`: the file beside the database is not one that was written there."""

MOST = 20  # faults that are listed: one wrong byte is a fault, a rewritten table would be a million


@dataclass(frozen=True, slots=True)
class Found:
    """One fault, and the number of the line at which it shows."""

    fault: Fault
    number: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification showed. `lines` were read, from number `first` to `head`; the chain is whole without faults.

    `clock_back` counts lines that are earlier by the clock than the one before: no fault, but worth knowing.
    """

    first: int
    head: Head
    lines: int
    clock_back: int
    faults: tuple[Found, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


@dataclass
class _Walk:
    """How far a verification has come."""

    before: Head
    at_ms: int = 0
    first: int = 0
    lines: int = 0
    clock_back: int = 0
    faults: list[Found] = field(default_factory=list)

    def step(self, kept: Kept) -> None:
        """Check one line against the one before it, and go on from what stands there."""
        if not self.lines:
            self.first = kept.number
        if kept.number != self.before.number + 1:
            self.faults.append(Found("gap" if self.lines else "begun", kept.number))
        elif hash_after(bytes.fromhex(self.before.hash), kept.line.encode("utf-8", "surrogatepass")).hex() != kept.hash:
            self.faults.append(Found("changed", kept.number))
        if not _is_found_by_itself(kept):
            self.faults.append(Found("columns", kept.number))
        self.clock_back += kept.at_ms < self.at_ms
        self.before, self.at_ms, self.lines = Head(kept.number, _hex(kept.hash)), kept.at_ms, self.lines + 1


def verify(trail: Trail, anchors: Sequence[Head] = ()) -> Verdict:
    """Read the whole chain. `anchors` are heads that were noted elsewhere; each must be in it, or be pruned by now.

    Writers are not held up; lines may be added meanwhile. Raises `database_*`, `audit_foreign`, OSError.
    """
    while True:
        begin = _begin(trail)
        verdict = _walk(trail, begin, anchors)
        if verdict.whole or _begin(trail) == begin:  # what was pruned under our eyes is no fault
            return verdict


def _begin(trail: Trail) -> Head:
    """The line before the first one, as the last pruning tells; it is itself in the chain that begins there."""
    for page in trail.pages(Query(tenant=None, what=PRUNED), "newest"):
        details = page[0].document().get("details")
        if isinstance(details, dict) and isinstance(details.get("through"), int):
            return Head(details["through"], _hex(details.get("hash")))
    return Head(0, GENESIS.hex())


def _walk(trail: Trail, begin: Head, anchors: Sequence[Head]) -> Verdict:
    faults: list[Found] = []
    wanted: dict[int, list[tuple[Head, Fault]]] = {}
    try:
        witnessed = trail.witness.last() if trail.witness is not None else None
    except ValueError:
        witnessed = None
        faults.append(Found("witness", 0))
    head = trail.head()
    known: list[tuple[Head, Fault]] = [(anchor, "anchor") for anchor in anchors]
    if witnessed is not None:
        known.append((witnessed, "anchor"))
    for place, fault in (*known, (head, "head")):
        wanted.setdefault(place.number, []).append((place, fault))
    walk = _Walk(begin)
    _meet(wanted, begin, faults)
    for page in trail.pages(Query(tenant=None)):
        for kept in page:
            walk.step(kept)
            _meet(wanted, Head(kept.number, kept.hash), faults)
    for number, places in wanted.items():
        faults += [Found(fault, number) for _, fault in places if number > begin.number or fault == "head"]
    if walk.before.number > trail.head().number:
        faults.append(Found("head", walk.before.number))
    every = sorted({*walk.faults, *faults}, key=lambda found: (found.number, found.fault))
    return Verdict(walk.first, walk.before, walk.lines, walk.clock_back, tuple(every[:MOST]))


def _meet(wanted: dict[int, list[tuple[Head, Fault]]], here: Head, faults: list[Found]) -> None:
    """Take the heads at this number off the list, and compare them."""
    faults += [Found(fault, here.number) for place, fault in wanted.pop(here.number, ()) if place.hash != here.hash]


def _is_found_by_itself(kept: Kept) -> bool:
    """Whether the columns that a search reads say what the line says."""
    try:
        said: dict[str, Any] = msgspec.json.decode(kept.line, type=dict[str, Any])
        at = written(kept.at_ms)
    except (ValueError, OverflowError, OSError):  # no JSON; no moment that there is
        return False
    columns = (kept.number, at, kept.what, kept.who, kept.tenant, kept.model)
    return columns == tuple(said.get(name, "") for name in ("number", "at", "what", "who", "tenant", "model"))


def _hex(text: object) -> str:
    """`text` where it is a hash, else one that no line has: the next one cannot follow it."""
    return str(text) if is_hash(text) else "ff" * len(GENESIS)
