"""One conversion: what is asked for, and what a door into `adapt` does with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from freehold.adapt.isolation import ChildLimits
from freehold.artifact import Manifest

Say = Callable[[str], None]
"""Shows the step that has begun."""


@dataclass(frozen=True)
class Conversion:
    """What the user asked for.

    `input_shapes` are the sample shapes, one an input, empty where the source describes its own; beside each,
    `input_names` and `input_types` ("int64") hold what was said of it, "" where nothing was. `code` is the Python file
    and the class in it that a state dict needs, "model.py:Net"; `signature` is the function of a SavedModel, empty for
    its usual one; `trust_code` lets a child process run what the source carries; `work` is an empty scratch folder that
    the caller removes; `recorded` is a file of answers that were recorded elsewhere; `limits` bound a child process.
    """

    source: Path
    name: str
    work: Path
    input_shapes: tuple[tuple[int, ...], ...] = ()
    input_names: tuple[str, ...] = ()
    input_types: tuple[str, ...] = ()
    code: str = ""
    signature: str = ""
    trust_code: bool = False
    kind: str = "auto"
    opset: int | None = None
    seed: int = 0
    recorded: Path | None = None
    limits: ChildLimits | None = None


class Door(Protocol):
    """A way from one raw format into an artifact."""

    def __call__(self, asked: Conversion, folder: Path, say: Say) -> Manifest:
        """Write every file of the artifact but the manifest into the empty `folder`; goldens lie in its `goldens/`.

        Where the manifest names files, it pins them all, and none is read once more to be hashed.
        Raises FreeholdError; `folder` is then thrown away.
        """
        ...
