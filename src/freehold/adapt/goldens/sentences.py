"""What goldens of text models are recorded of, and what sentence-transformers' modules make of pooled states in torch.

Computed here with torch, apart from the graphs that the goldens are to prove.
"""

from collections.abc import Sequence

import torch

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.folder import Dense, Normalize

TEXTS = (
    "",
    "!",
    "How do I reset my password?",
    "The invoice of 2024-03-31 (EUR 1,249.50) is overdue: see https://example.com/pay?id=7.",
    "我们的售后政策是什么？七天内可以无理由退货。",
    "Ünïcödé, emoji 🚀 and a mixed 句子 in one line.",
    "def area(r):\n    return 3.14159 * r ** 2",
    "A long paragraph shows what short ones hide. "
    "The archive of the company holds forty years of letters, drawings and contracts; nobody has read all of it. "
    "Whoever looks for one clause asks a colleague, who asks another, until somebody remembers a folder in the cellar. "
    "Search by meaning should find it in a second, and should find it again tomorrow with the very same score.",
)
QUERY = "How long may goods be returned?"


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
