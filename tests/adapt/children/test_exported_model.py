"""What is exported around a Hugging Face model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from freehold.adapt.children.exported_model import PixelModel, TextModel, outcome_of

STATES = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


@dataclass
class Answered:
    """As transformers answers."""

    last_hidden_state: torch.Tensor
    logits: torch.Tensor


class Echo(torch.nn.Module):
    """Answers with what it was given: ids and types as states, pixels as logits."""

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
    ) -> Answered:
        given = [each for each in (input_ids, attention_mask, token_type_ids, pixel_values) if each is not None]
        together = torch.stack(given, dim=-1)
        return Answered(together, together)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [[4, 5, 6, 7], [14, 15, 16, 17]]),
        ("cls", [[0, 1, 2, 3], [12, 13, 14, 15]]),
        ("last", [[8, 9, 10, 11], [16, 17, 18, 19]]),
    ],
)
def test_pooling_leaves_padding_out(pooling: str, expected: list[list[float]]) -> None:
    """The mean over tokens, the first, or the last that is no padding."""
    outcome = outcome_of({"task": "embedding", "pooling": pooling})
    np.testing.assert_allclose(outcome(Answered(STATES, STATES), MASK).numpy(), expected)


def test_modules_after_pooling_follow_in_order(tmp_path: Path) -> None:
    """A dense layer with tanh, then length 1; its tensors are read from its file."""
    weight, bias = np.full((2, 4), 0.01, np.float32), np.array([0.1, 0.2], np.float32)
    save_file({"linear.weight": weight, "linear.bias": bias}, tmp_path / "model.safetensors")
    dense = {"type": "Dense", "file": str(tmp_path / "model.safetensors"), "inputs": 4, "outputs": 2, "bias": True}
    after = [{**dense, "activation": "tanh"}, {"type": "Normalize"}]
    outcome = outcome_of({"task": "embedding", "pooling": "mean", "after": after})
    row = np.tanh(weight @ np.array([4, 5, 6, 7], np.float32) + bias)
    with torch.no_grad():
        made = outcome(Answered(STATES, STATES), MASK).numpy()
    np.testing.assert_allclose(made[0], row / np.linalg.norm(row), rtol=1e-6)


@pytest.mark.parametrize("task", ["states", "classification", "tagging"])
def test_padding_reads_as_the_models_own(task: str) -> None:
    """Whatever id the server pads with; ids under the mask, and types, arrive as they are."""
    model = TextModel(Echo(), 7, outcome_of({"task": task}))
    ids, types = torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([[0, 0, 1], [0, 1, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert model(ids, mask, types)[..., 0].tolist() == [[1, 2, 3], [4, 0, 7]]
    assert model(ids, mask, types)[..., 2].tolist() == types.tolist()
    assert TextModel(Echo(), None, outcome_of({"task": task}))(ids, mask)[..., 0].tolist() == ids.tolist()


def test_pixels_become_logits() -> None:
    """Of the answer of an image model the logits alone."""
    pixels = torch.ones(1, 3, 2, 2)
    assert PixelModel(Echo())(pixels).shape == (1, 3, 2, 2, 1)
