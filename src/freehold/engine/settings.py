"""How one model is run on one machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freehold.artifact import TensorSpec
from freehold.engine.batcher import Batch
from freehold.engine.generation import Step

DEFAULT_BUDGET_TOKENS = 256
"""Small batches win on CPUs: a packed batch of 128 to 512 tokens was fastest wherever it was measured."""
DEFAULT_BUDGET_ROWS = 32


@dataclass(frozen=True)
class EngineSettings:
    """What the configuration and the machine say about running a model.

    `precision`: fp32 | bf16 | auto. `threads` 0 and `budget` 0: as tuned, else one thread a core and
    the default budget.
    `prove`: replay the goldens at load; False where the caller replays them.
    `inputs` and `outputs`: what a tensor graph must have; () asks nothing.
    `state`: the folder for tuning results and prepacked weights; None keeps nothing (the folder is not writable).
    Of text engines: `slots` sequences at a time, `prefill_slice_ms` a slice of a prompt, `kv_mb` MiB for keys and
    values (None: a quarter of the memory that is available), `prefix_cache_mb` for what prompts share (None: a quarter
    of `kv_mb`), `prompt_lookup` for drafts, `max_output_tokens` an answer at most (0: as the context allows).
    """

    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 0
    budget: int = 0
    max_tokens: int = 0
    input_shape: tuple[int, ...] | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    cores: int = 1
    cpu_key: str = "unknown"
    bf16_hardware: bool = False
    tune: bool = True
    prove: bool = True
    state: Path | None = None
    on_batch: Callable[[Batch], None] | None = None
    slots: int = 8
    prefill_slice_ms: float = 50.0
    kv_mb: int | None = None
    prefix_cache_mb: int | None = None
    prompt_lookup: bool = True
    max_output_tokens: int = 0
    on_step: Callable[[Step], None] | None = None
