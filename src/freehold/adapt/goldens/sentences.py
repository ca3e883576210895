"""What sentence-transformers' modules make of pooled states in torch.

Computed here with torch, apart from the graphs that the goldens are to prove.
"""

from collections.abc import Sequence

import torch

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.folder import Dense, Normalize


def finished(pooled: torch.Tensor, after: Sequence[Dense | Normalize]) -> torch.Tensor:
    """What the modules after pooling make of one state [hidden], in order."""
    for module in after:
        pooled = _dense(pooled, module) if isinstance(module, Dense) else torch.nn.functional.normalize(pooled, dim=0)
    return pooled


def _dense(pooled: torch.Tensor, module: Dense) -> torch.Tensor:
    checkpoint = Checkpoint.open((module.file,))

    def tensor(name: str) -> torch.Tensor:
        return torch.cat([torch.from_numpy(block.copy()) for block in checkpoint.blocks(name)])

    result = torch.nn.functional.linear(pooled, tensor("linear.weight"), tensor("linear.bias") if module.bias else None)
    return torch.tanh(result) if module.activation == "tanh" else result
