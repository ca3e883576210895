"""Two rows of a head as one."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.token_difference import TokenDifference


@pytest.mark.parametrize("no", [7, None])
def test_one_row_less_another(no: int | None, tmp_path: Path) -> None:
    """Or one alone; in float32, whatever the file holds."""
    head = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float16)
    save_file({"head": head}, tmp_path / "model.safetensors")
    source = TokenDifference(Checkpoint.open((tmp_path / "model.safetensors",)), "head", 4, 2, no)
    (block,) = source.blocks()
    assert (block.dtype, block.shape, source.shape) == (np.float32, (1, 4), (1, 4))
    wide = head.astype(np.float32)
    np.testing.assert_array_equal(block[0], wide[2] - (0 if no is None else wide[no]))
