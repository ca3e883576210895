"""What is made of pooled states."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from freehold.adapt.folder import Dense, Normalize
from freehold.adapt.goldens.sentences import finished


def test_modules_follow_one_another(tmp_path: Path) -> None:
    """A dense layer with a bias and tanh, then length 1."""
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((3, 4), np.float32), rng.standard_normal(3, np.float32)
    save_file({"linear.weight": weight, "linear.bias": bias}, tmp_path / "model.safetensors")
    pooled = rng.standard_normal(4, np.float32)
    dense = Dense(tmp_path / "model.safetensors", 4, 3, bias=True, activation="tanh")
    expected = np.tanh(weight @ pooled + bias)
    made = finished(torch.from_numpy(pooled), (dense, Normalize()))
    np.testing.assert_allclose(made.numpy(), expected / np.linalg.norm(expected), atol=1e-6)
