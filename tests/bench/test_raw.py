"""The raw limit packs as it says: in order, never over the budget but for one long text."""

from hypothesis import given
from hypothesis import strategies as st

from bench.raw import batches, feeds

TEXTS = st.lists(st.integers(1, 400).map(lambda length: list(range(length))), max_size=40)


@given(TEXTS)
def test_batches_keep_the_order_and_the_budget(texts: list[list[int]]) -> None:
    """Every text once, first come first packed; only a text longer than the budget exceeds it, alone."""
    groups = list(batches(texts, 256))
    assert [text for group in groups for text in group] == texts
    assert all(sum(map(len, group)) <= 256 or len(group) == 1 for group in groups)


def test_a_packed_batch_names_each_tokens_sequence() -> None:
    """Ids end to end, the sequence of each token, where each sequence starts."""
    packed = feeds([[5, 6, 7], [8]], with_types=True)
    assert packed["input_ids"].tolist() == [5, 6, 7, 8]
    assert packed["sequence_ids"].tolist() == [0, 0, 0, 1]
    assert packed["sequence_starts"].tolist() == [0, 3]
    assert packed["token_type_ids"].tolist() == [0, 0, 0, 0]
