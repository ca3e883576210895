"""Whether the audit is whole: every change that somebody makes to its tables is found, whatever and wherever."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.access.act import GENESIS, Act, hash_after
from freehold.access.database import Database
from freehold.access.trail import DAY_S, Query, Trail
from freehold.access.verdict import MOST, Fault, verify
from freehold.access.witness import FILE, Head, Witness
from freehold.errors import FreeholdError

FIRST, LAST = 4, 9
"""The chain of these tests begins at 4, since three lines are pruned, and ends at 9."""
NUMBERS = st.integers(FIRST, LAST)


@contextmanager
def chain(witness: Witness | None = None) -> Iterator[Trail]:
    """Six lines of which the first three went by age; the fifth says so."""
    now = [1_800_000_000.0]
    database = Database.in_memory()
    trail = Trail(database, "n", witness, lambda: now[0])
    trail.append([Act("keys.create", f"k{number}") for number in range(3)])
    now[0] += 200 * DAY_S
    trail.append([Act("model.load", "bob", model="m"), Act("model.unload", "bob", model="m")])
    assert trail.prune(180) == 3
    trail.append([Act("keys.revoke", f"k{number}", tenant="acme") for number in range(3)])
    assert trail.head().number == LAST
    yield trail
    database.close()


def run(trail: Trail, statement: str, *values: str | int) -> None:
    with trail.database.writing() as transaction:
        transaction.execute(statement, values)


def faults(trail: Trail, *anchors: Head) -> set[Fault]:
    return {found.fault for found in verify(trail, anchors).faults}


def kept(trail: Trail) -> dict[int, tuple[str, str]]:
    """Each line and its hash by number."""
    return {line.number: (line.line, line.hash) for page in trail.pages(Query(None)) for line in page}


def write_anew(trail: Trail, since: int) -> None:
    """What somebody does who knows how it is made: all hashes from a line on, and the head."""
    lines = kept(trail)
    before = bytes.fromhex(lines[since - 1][1])
    for number in range(since, LAST + 1):
        before = hash_after(before, lines[number][0].encode())
        run(trail, "UPDATE audit SET hash = ? WHERE number = ?", before.hex(), number)
    run(trail, "UPDATE audit_head SET hash = ?", before.hex())


def test_what_nobody_touched_is_whole() -> None:
    """With its first line and its head; heads that were noted on the way are in it."""
    with chain() as trail:
        anchors = [Head(number, digest) for number, (_, digest) in kept(trail).items()]
        verdict = verify(trail, anchors)
        assert verdict.whole
        assert (verdict.first, verdict.lines, verdict.head) == (FIRST, 6, trail.head())


def test_an_audit_without_lines_is_whole() -> None:
    """Nothing was done yet."""
    database = Database.in_memory()
    verdict = verify(Trail(database, "n"))
    assert (verdict.whole, verdict.lines, verdict.head) == (True, 0, Head(0, GENESIS.hex()))
    database.close()


@given(number=NUMBERS, column=st.sampled_from(["line", "hash", "what", "who", "tenant", "model"]), data=st.data())
def test_a_changed_letter_is_found(number: int, column: str, data: st.DataObject) -> None:
    """Anywhere in a line, in its hash, and in what it is found by."""
    with chain() as trail:
        with trail.database.reading() as transaction:
            ((before,),) = transaction.rows(f"SELECT {column} FROM audit WHERE number = ?", (number,))
        place = data.draw(st.integers(0, len(before)))
        letter = data.draw(st.sampled_from(["", "x", " ", '"', "0", "\x00"]))
        after = before[:place] + letter + before[place + data.draw(st.integers(0, 1)) :]
        if after == before:
            return
        run(trail, f"UPDATE audit SET {column} = ? WHERE number = ?", after, number)
        assert faults(trail)


@given(number=NUMBERS, column=st.sampled_from(["at_ms", "number"]), by=st.integers(-(10**15), 10**15))
def test_a_changed_number_is_found(number: int, column: str, by: int) -> None:
    """The time of a line, and its place."""
    with chain() as trail:
        if by == 0 or (column == "number" and FIRST <= number + by <= LAST):
            return
        run(trail, f"UPDATE audit SET {column} = {column} + ? WHERE number = ?", by, number)
        assert faults(trail)


@given(st.sets(NUMBERS, min_size=1))
def test_lines_taken_out_are_found(numbers: set[int]) -> None:
    """The first ones, the last ones, some between, all."""
    with chain() as trail:
        for number in numbers:
            run(trail, "DELETE FROM audit WHERE number = ?", number)
        assert faults(trail)


@given(one=NUMBERS, other=NUMBERS)
def test_lines_in_each_others_place_are_found(one: int, other: int) -> None:
    """With all their columns but the number."""
    with chain() as trail:
        if one == other:
            return
        for number, then in ((one, -1), (other, one), (-1, other)):
            run(trail, "UPDATE audit SET number = ? WHERE number = ?", then, number)
        assert faults(trail)


def test_lines_put_in_are_found() -> None:
    """Behind the last one, without the head; and a copy of an older one."""
    for number in (LAST + 1, 1):
        with chain() as trail:
            columns = "at_ms, what, who, tenant, model, line, hash"
            run(trail, f"INSERT INTO audit SELECT ?, {columns} FROM audit WHERE number = ?", number, LAST)
            assert faults(trail)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_head",
        "UPDATE audit_head SET number = number - 1",
        f"UPDATE audit_head SET hash = '{'0' * 64}'",
        "DELETE FROM audit",
    ],
)
def test_a_changed_head_is_found(statement: str) -> None:
    """The database's own."""
    with chain() as trail:
        run(trail, statement)
        assert "head" in faults(trail)


@given(count=st.integers(1, 5))
def test_who_takes_the_last_lines_and_their_head_is_found_by_a_head_kept_elsewhere(count: int) -> None:
    """Without one, nothing is left that could tell: that is why it is kept in a file and in the log."""
    with chain() as trail:
        noted = trail.head()
        last = LAST - count
        if last < FIRST:
            return
        run(trail, "UPDATE audit_head SET number = ?, hash = ?", last, kept(trail)[last][1])
        run(trail, "DELETE FROM audit WHERE number > ?", last)
        assert faults(trail, noted) == {"anchor"} if last >= 6 else {"anchor", "begun"} <= faults(trail, noted)


@given(number=st.integers(FIRST + 1, LAST))
def test_who_writes_the_chain_anew_is_found_by_a_head_kept_elsewhere(number: int) -> None:
    """With every hash right in itself: only a head from before tells."""
    with chain() as trail:
        noted = trail.head()
        line = json.loads(kept(trail)[number][0]) | {"who": "mallory"}
        text = json.dumps(line, sort_keys=True, separators=(",", ":"))
        run(trail, "UPDATE audit SET line = ?, who = 'mallory' WHERE number = ?", text, number)
        write_anew(trail, number)
        assert faults(trail) == set()
        assert faults(trail, noted) == {"anchor"}


def test_the_file_beside_the_database_is_such_a_head(tmp_path: Path) -> None:
    """It is looked at without being named; one that is no longer a head is told, too."""
    with chain(Witness(tmp_path)) as trail:
        assert verify(trail).whole
        run(trail, "UPDATE audit_head SET number = ?, hash = ?", LAST - 1, kept(trail)[LAST - 1][1])
        run(trail, "DELETE FROM audit WHERE number = ?", LAST)
        assert [(found.fault, found.number) for found in verify(trail).faults] == [("anchor", LAST)]
        (tmp_path / FILE).write_text("no head")
        assert faults(trail) == {"witness"}


def test_a_chain_that_lost_its_end_does_not_grow_over_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The head that was seen stays in its file until somebody looked, however many lines follow; the log says so."""
    with chain(Witness(tmp_path)) as trail:
        seen = trail.head()
        run(trail, "UPDATE audit_head SET number = ?, hash = ?", LAST - 2, kept(trail)[LAST - 2][1])
        run(trail, "DELETE FROM audit WHERE number > ?", LAST - 2)
        for _ in range(5):
            trail.append([Act("keys.create", "mallory")])
            assert [(found.fault, found.number) for found in verify(trail).faults] == [("anchor", LAST)]
        assert Witness(tmp_path).last() == seen
        assert caplog.text.count(f"the audit lacks line {seen}") == 1


def test_a_head_from_before_the_first_line_proves_nothing() -> None:
    """What was pruned can no longer be compared, except the line right before."""
    with chain() as trail:
        assert faults(trail, Head(1, "ab" * 32)) == set()
        assert faults(trail, Head(FIRST - 1, "ab" * 32)) == {"anchor"}


def test_a_row_without_a_number_is_no_line() -> None:
    """None of ours ever wrote one: reading ends there, with an error."""
    with chain() as trail:
        run(trail, "UPDATE audit SET at_ms = 'x' WHERE number = 5")
        with pytest.raises(FreeholdError, match="audit_foreign"):
            verify(trail)


def test_the_list_of_faults_ends_somewhere() -> None:
    """A table in which everything is wrong is not listed whole."""
    with chain() as trail:
        trail.append([Act("x", "y")] * 2 * MOST)
        run(trail, "UPDATE audit SET line = '{}'")
        assert len(verify(trail).faults) == MOST


def test_pruning_under_a_verification_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again from where the chain now begins."""
    with chain() as trail:
        walk: Callable[..., Iterator[object]] = trail.pages
        pruned = []

        def pages(query: Query, order: str = "oldest") -> Iterator[object]:
            if order == "oldest" and not pruned:
                monkeypatch.setattr(trail, "_clock", lambda: 1_900_000_000.0)
                pruned.append(trail.prune(180))
            return walk(query, order)

        monkeypatch.setattr(trail, "pages", pages)
        assert verify(trail).whole
        assert pruned == [6]
