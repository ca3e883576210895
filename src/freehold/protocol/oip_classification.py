"""Triton's classification extension: in place of an output's values the best of them, with place and label.

Source: `extension_classification.md` of Triton's documents: each element is the text `value:index`, or
`value:index:label` where the model has labels, the value with six decimals; best first.
"""

import math
from collections.abc import Sequence

import numpy as np

from freehold.protocol.oip_tensors import Array


def classified(values: Array, classes: int, labels: Sequence[str]) -> Array:
    """BYTES [batch, classes] of numbers [batch, ...], or BYTES [classes] of numbers of at most one dimension.

    Of fewer values all are given. Equal ones keep their order, and NaN comes last.
    """
    rows = values.reshape(len(values), math.prod(values.shape[1:])) if values.ndim > 1 else values.reshape(1, -1)
    count = min(classes, rows.shape[1])
    texts = np.empty((len(rows), count), object)
    for place, row in enumerate(rows):
        order = np.argsort(_descending(row), kind="stable")[:count]
        for rank, index in enumerate(order.tolist()):
            label = f":{labels[index]}" if index < len(labels) else ""
            texts[place, rank] = f"{row[index]:f}:{index}{label}".encode()
    return texts if values.ndim > 1 else texts.reshape(count)


def _descending(row: Array) -> Array:
    """Keys that sort `row` from its greatest value down, exactly: whole numbers are complemented, never negated."""
    return -row if row.dtype.kind == "f" else np.bitwise_not(row)
