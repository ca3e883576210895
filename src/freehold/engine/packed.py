"""Sequences laid end to end: the inputs of a packed encoder graph."""

from collections.abc import Sequence

import numpy as np

from freehold.engine.providers import Feeds
from freehold.engine.tokenizer import Encoded


def pack(sequences: Sequence[Encoded], with_types: bool) -> Feeds:
    """Feeds of a packed graph, all int64: input_ids [tokens], sequence_ids [tokens], sequence_starts [sequences],
    and token_type_ids [tokens] where the graph has them. No padding: tokens is the sum of the lengths."""
    lengths = np.array([len(sequence.ids) for sequence in sequences], np.int64)
    feeds: Feeds = {
        "input_ids": np.array([i for sequence in sequences for i in sequence.ids], np.int64),
        "sequence_ids": np.repeat(np.arange(len(sequences), dtype=np.int64), lengths),
        "sequence_starts": np.cumsum(lengths) - lengths,
    }
    if with_types:
        feeds["token_type_ids"] = np.array([i for sequence in sequences for i in sequence.type_ids], np.int64)
    return feeds
