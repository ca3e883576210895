"""Sequences padded to the longest of their batch: the inputs of a conventional encoder graph."""

from collections.abc import Sequence

import numpy as np

from freehold.engine.providers import Feeds
from freehold.engine.tokenizer import Encoded


def pad(sequences: Sequence[Encoded], with_types: bool) -> Feeds:
    """Feeds of a padded graph, all int64 [sequences, longest]: input_ids, attention_mask (1 where there is a token),
    and token_type_ids where the graph has them. Padding is 0, which the mask hides."""
    longest = max(len(sequence.ids) for sequence in sequences)
    shape = len(sequences), longest
    feeds: Feeds = {"input_ids": np.zeros(shape, np.int64), "attention_mask": np.zeros(shape, np.int64)}
    if with_types:
        feeds["token_type_ids"] = np.zeros(shape, np.int64)
    for row, sequence in enumerate(sequences):
        length = len(sequence.ids)
        feeds["input_ids"][row, :length] = sequence.ids
        feeds["attention_mask"][row, :length] = 1
        if with_types:
            feeds["token_type_ids"][row, :length] = sequence.type_ids
    return feeds
