"""A language head reduced to what a yes-or-no question needs of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from freehold.adapt.checkpoint import Checkpoint, Floats


@dataclass(frozen=True)
class TokenDifference:
    """float32 [1, width]: a row of a head, less another one where there is one.

    Its product with a state is the difference of two logits, whose sigmoid is the softmax over the two.
    """

    checkpoint: Checkpoint
    name: str
    width: int
    yes: int
    no: int | None
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """[1, width]."""
        return (1, self.width)

    def blocks(self) -> Iterator[Floats]:
        """One block. Raises FreeholdError `weights_corrupt`."""
        row = self._row(self.yes)
        yield row if self.no is None else row - self._row(self.no)

    def _row(self, token: int) -> Floats:
        return self.checkpoint.rows(self.name, token, token + 1)
