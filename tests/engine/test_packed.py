"""Sequences end to end, without padding."""

from hypothesis import given
from hypothesis import strategies as st

from freehold.engine.packed import pack
from freehold.engine.tokenizer import Encoded

sequences = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=7), min_size=1, max_size=9)


@given(sequences, st.booleans())
def test_every_token_knows_its_sequence(rows: list[list[int]], with_types: bool) -> None:
    """Ids in order, starts at the first token of each, sequence ids as often as the length, types where asked."""
    feeds = pack([Encoded(row, [1] * len(row), cut=False) for row in rows], with_types)
    assert feeds["input_ids"].tolist() == [token for row in rows for token in row]
    assert feeds["sequence_ids"].tolist() == [place for place, row in enumerate(rows) for _ in row]
    starts = feeds["sequence_starts"].tolist()
    assert [feeds["input_ids"][start] for start in starts] == [row[0] for row in rows]
    assert ("token_type_ids" in feeds) is with_types
    assert {array.dtype.str for array in feeds.values()} == {"<i8"}
