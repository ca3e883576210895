"""What runs next: a slice of the prompt that enters, or one token of every answer.

Prompts enter one at a time, in the order they came: the oldest waits until a slot and memory for all that it may grow
to are free, and nobody overtakes it, so that a large one is not starved by small ones. Between two of its slices every
running answer gets a token, so that it holds the others up for one slice at most.
"""

from collections import deque
from typing import NamedTuple

from freehold.engine.kv_cache import KvCache
from freehold.engine.prefix_cache import BLOCK, PrefixCache
from freehold.engine.sequence import Sequence

LONE_SLICES = 4
"""A slice is longer where it holds nobody up, but still short enough to hear of a cancellation."""
SMOOTHING = 0.3  # weight of the newest slice in the measured speed


class Slice(NamedTuple):
    """Tokens of a prompt, from `begin` up to `end`."""

    sequence: Sequence
    begin: int
    end: int


class Scheduler:
    """Who waits, who enters, who runs. Used under the engine's lock."""

    def __init__(self, cache: KvCache, prefixes: PrefixCache, slice_s: float, prefill_speed: float, grain: int) -> None:
        """`slice_s` is how long a slice may take while answers run, `prefill_speed` tokens per second of a long
        prompt; slices are multiples of `grain` tokens."""
        self.waiting: deque[Sequence] = deque()
        self.entering: Sequence | None = None
        self.running: list[Sequence] = []
        self.prefill_speed = prefill_speed
        self._alone_speed = prefill_speed
        self._fixed_s = 0.0
        self._cache = cache
        self._prefixes = prefixes
        self._slice_s = slice_s
        self._grain = grain
        self._prompts_turn = True

    @property
    def idle(self) -> bool:
        """True when there is nothing to compute."""
        return not (self.waiting or self.entering or self.running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence. What it may grow to fits into the whole memory."""
        self.waiting.append(sequence)

    def next(self) -> Slice | list[Sequence]:
        """A slice or the sequences of a step, in turns; an empty list where there is nothing to compute."""
        if self.entering is None and self.waiting and self._cache.fits(self.waiting[0].reach):
            self._admit(self.waiting.popleft())
        if self.entering is not None and (self._prompts_turn or not self.running):
            self._prompts_turn = False
            return self._slice(self.entering)
        self._prompts_turn = True
        return list(self.running)

    def entered(self, sequence: Sequence) -> None:
        """The prompt is computed: from now on its answer runs."""
        self.entering = None
        self.running.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out wherever it is, and free what it holds."""
        if sequence is self.entering:
            self.entering = None
        elif sequence in self.running:
            self.running.remove(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        if sequence.slot >= 0:
            self._cache.give_back(sequence.slot)
            sequence.slot = -1

    def everyone(self) -> list[Sequence]:
        """All sequences, those that hold memory first."""
        return [*self.running, *([self.entering] if self.entering else []), *self.waiting]

    def measured(self, tokens: int, seconds: float) -> None:
        """Learn how fast prompts are computed. The short end of one says little.

        Every slice reads all weights, so its time has a part that its length does not change. Were it counted as time
        of the tokens, short slices would look slow, and be made shorter still.
        """
        if tokens < self._grain:
            return
        self.prefill_speed += SMOOTHING * (tokens / max(seconds, 1e-9) - self.prefill_speed)
        self._fixed_s += SMOOTHING * (max(0.0, seconds - tokens / self._alone_speed) - self._fixed_s)

    def _admit(self, sequence: Sequence) -> None:
        self.entering = sequence  # before anything can fail: who stands nowhere would never be answered
        sequence.slot = self._cache.take(sequence.reach)
        sequence.keys = self._prefixes.keys(sequence.tokens, sequence.request.sharing)
        # The last token is computed in any case: its logits begin the answer.
        known = sequence.keys[: (sequence.prompt_tokens - 1) // BLOCK]
        sequence.cached_tokens = sequence.computed = self._prefixes.restore(known, sequence.slot)

    def _slice(self, sequence: Sequence) -> Slice:
        seconds = self._slice_s if self.running else self._slice_s * LONE_SLICES
        grains = max(1, round((seconds - self._fixed_s) * self._alone_speed / self._grain))
        end = min(sequence.computed + grains * self._grain, sequence.prompt_tokens)
        return Slice(sequence, sequence.computed, end)
