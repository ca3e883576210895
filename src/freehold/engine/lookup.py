"""Prompt lookup: guess that what followed the last few tokens before follows them again.

Answers that quote their prompt (code, tables, summaries) repeat it for long stretches. A guess costs next to nothing
and is verified together with the token at hand (Saxena, "Prompt Lookup Decoding", 2023).
"""

from collections.abc import Sequence

LONGEST, SHORTEST = 4, 2
"""How many of the last tokens must have stood there before: the longest match wins."""
LAST, BEFORE = 0, 1


class Lookup:
    """An index of the tokens of one sequence: where each run of 2, 3 and 4 tokens ended last, and the time before."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens to the sequence."""
        for token in tokens:
            self._tokens.append(token)
            end = len(self._tokens)
            for size in range(SHORTEST, min(LONGEST, end) + 1):
                run = tuple(self._tokens[end - size :])
                self._ends[run] = (end, self._ends.get(run, (0, 0))[LAST])

    def guess(self, count: int) -> list[int]:
        """The `count` tokens that may follow, or none without a match. A repetition goes on past its own end."""
        for size in range(min(LONGEST, len(self._tokens)), SHORTEST - 1, -1):
            seen = self._ends.get(tuple(self._tokens[-size:]))
            if seen is not None and seen[BEFORE]:
                period = self._tokens[seen[BEFORE] :]
                return [period[ahead % len(period)] for ahead in range(count)]
        return []
