"""Small networks as users write them: what the tests save as files, and what they name with --code."""

import torch
from torch import nn


class Net(nn.Module):
    """Images of any size to five scores."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean(dim=(2, 3)))


class Reader(nn.Module):
    """Ids and a mask to states and a pooled state; 16 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.places = nn.Embedding(16, 16)
        self.mix = nn.Linear(16, 16)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        known = mask[:, :, None].float()
        states = torch.tanh(self.mix(self.words(ids) + self.places(torch.arange(ids.shape[1]))))
        return {"states": states, "pooled": (states * known).sum(dim=1) / known.sum(dim=1)}


class Line(nn.Module):
    """[batch, 4] to [batch, 2]: the fastest to export."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x)


class Branches(nn.Module):
    """Whose way depends on what it reads."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x + 1
        return x


class Eigen(nn.Module):
    """Which needs an operator that ONNX has not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvalsh(x + x.transpose(-1, -2))


class Noisy(nn.Module):
    """Which answers differently each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x)


class Complex(nn.Module):
    """Which answers with a type that no golden holds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.complex(x, x)


class Counting(nn.Module):
    """Which answers with something that is no tensor."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        return x, 3


class Fixed(nn.Module):
    """Whose batch is in its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.ones(2, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(2, 4) * self.rows


class Several(nn.Module):
    """Any number of inputs."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.stack([one.sum(dim=1) for one in inputs]).sum(dim=0)


def with_width() -> Net:
    """Net with arguments of its own."""
    return Net(width=4)


def broken() -> nn.Module:
    raise RuntimeError("no weights here")


def number() -> int:
    return 3
