"""Guessing from what stood there before."""

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.engine.lookup import LONGEST, SHORTEST, Lookup


def indexed(tokens: list[int]) -> Lookup:
    """A lookup of these tokens."""
    lookup = Lookup()
    lookup.extend(tokens)
    return lookup


def guessed(tokens: list[int], count: int) -> list[int]:
    """The same by its definition, searching from the end."""
    for size in range(LONGEST, SHORTEST - 1, -1):
        for end in range(len(tokens) - 1, size - 1, -1):
            if len(tokens) > size and tokens[end - size : end] == tokens[-size:]:
                copied = list(tokens)
                while len(copied) < len(tokens) + count:
                    copied.append(copied[end + len(copied) - len(tokens)])
                return copied[len(tokens) :]
    return []


def test_what_followed_before_is_guessed_again() -> None:
    """After the longest run that stood there before, the last time."""
    assert indexed([1, 2, 3, 4, 5, 1, 2, 3]).guess(2) == [4, 5]
    assert indexed([9, 2, 3, 7, 1, 2, 3, 8, 1, 2, 3]).guess(1) == [8]
    assert indexed([1, 2, 3]).guess(4) == []
    assert indexed([]).guess(4) == []
    assert indexed([5, 1, 5]).guess(4) == []  # one token is no match


def test_a_repetition_guesses_itself() -> None:
    """Past what is known: what was copied is copied again."""
    assert indexed([1, 2, 1, 2]).guess(5) == [1, 2, 1, 2, 1]
    assert indexed([7, 7, 7]).guess(4) == [7, 7, 7, 7]


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 8))
@settings(max_examples=200, deadline=None)
def test_it_is_its_definition(tokens: list[int], count: int) -> None:
    """However the tokens came in."""
    lookup = indexed(tokens[:7])
    lookup.extend(tokens[7:])
    assert len(lookup) == len(tokens)
    assert lookup.guess(count) == guessed(tokens, count)
