"""What a repository says of one model, in the words of none of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from freehold.config.shapes import DeclaredTensor
from freehold.errors import FreeholdError


@dataclass(frozen=True)
class ForeignModel:
    """One model: the name that clients ask for, its ONNX graph, and what was declared of it at `where`.

    `versions` are the graphs of all that are served side by side, by number, where the repository has numbers.
    `notes` are errors that are never raised: on settings that have no counterpart here.
    """

    name: str
    graph: Path
    where: str
    versions: Mapping[str, Path] = field(default_factory=dict)
    inputs: tuple[DeclaredTensor, ...] = ()
    outputs: tuple[DeclaredTensor, ...] = ()
    notes: tuple[FreeholdError, ...] = ()
