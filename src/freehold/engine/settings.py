"""How one model is run on one machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freehold.engine.batcher import Batch

DEFAULT_BUDGET_TOKENS = 256
"""Small batches win on CPUs: a packed batch of 128 to 512 tokens was fastest wherever it was measured."""
DEFAULT_BUDGET_ROWS = 32


@dataclass(frozen=True)
class EngineSettings:
    """What the configuration and the machine say about running a model.

    `precision`: fp32 | bf16 | auto. `threads` 0 and `budget` 0: as tuned, else one thread a core and
    the default budget.
    `prove`: replay the goldens at load; False where the caller replays them.
    `state`: the folder for tuning results and prepacked weights; None keeps nothing (the folder is not writable).
    """

    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 0
    budget: int = 0
    max_tokens: int = 0
    input_shape: tuple[int, ...] | None = None
    cores: int = 1
    cpu_key: str = "unknown"
    bf16_hardware: bool = False
    tune: bool = True
    prove: bool = True
    state: Path | None = None
    on_batch: Callable[[Batch], None] | None = None
