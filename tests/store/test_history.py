"""The moves of tags, also those that never happened."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.store.history import History, Move, moved, whoami

START = datetime(2026, 1, 1, tzinfo=UTC)


def move(tag: str, before: str, after: str) -> Move:
    return Move(START, "someone@here", "m", tag, before, after)


def test_moves_are_read_in_order(tmp_path: Path) -> None:
    """Who, when, from where, to where."""
    history = History(tmp_path)
    assert history.moves({}) == []
    made = [moved("m", "1", "", "a"), moved("m", "prod", "", "a"), moved("m", "prod", "a", "b")]
    for one in made:
        history.append([one])
    history.append([])
    assert history.moves({("m", "1"): "a", ("m", "prod"): "b"}) == made
    assert made[0].by == whoami()
    assert history.numbers("m") == {1}
    assert history.numbers("other") == set()


def test_a_line_without_its_move_does_not_count(tmp_path: Path) -> None:
    """Its writer was killed before the tag moved; later moves say so."""
    history = History(tmp_path)
    first, never, second, gone = move("t", "", "a"), move("t", "a", "x"), move("t", "a", "b"), move("t", "b", "")
    history.append([first, never])
    assert history.moves({("m", "t"): "a"}) == [first]
    history.append([second])
    assert history.moves({("m", "t"): "b"}) == [first, second]
    history.append([gone])
    assert history.moves({("m", "t"): "b"}) == [first, second]
    assert history.moves({}) == [first, second, gone]


@pytest.mark.parametrize("half", [b'{"at":"2026-01-', b"\xff\xfe", b"[]"])
def test_half_a_line_harms_only_itself(tmp_path: Path, half: bytes) -> None:
    """The next writer begins a line of its own."""
    history = History(tmp_path)
    history.append([move("t", "", "a")])
    with (tmp_path / "history.jsonl").open("ab") as file:
        file.write(half)
    history.append([move("t", "a", "b")])
    assert [one.after for one in history.moves({("m", "t"): "b"})] == ["a", "b"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("tu"), st.sampled_from(["a", "b", "c", ""]), st.booleans()), max_size=10))
def test_only_what_happened_is_told(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[str, str, bool]]
) -> None:
    """Whatever tags move where, and whichever writers are killed between a line and its move."""
    history, current = History(tmp_path_factory.mktemp("history")), {}
    happened = []
    for tag, after, survived in plan:
        one = move(tag, current.get(("m", tag), ""), after)
        if one.before == one.after:
            continue
        history.append([one])
        if survived:
            happened.append(one)
            current[("m", tag)] = after
            if not after:
                del current[("m", tag)]
    assert history.moves(current) == happened
