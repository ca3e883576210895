"""Which sequence has which slot, and how many tokens of memory are promised to whom."""

import math

from freehold.engine.kv_memory import KvMemory


class KvCache:
    """Slots of a `KvMemory`, and a budget of tokens that bounds all of them together.

    A sequence reserves all that it may ever need before it starts, so that one that has begun never runs out.
    """

    def __init__(self, memory: KvMemory, tokens: int) -> None:
        self.memory = memory
        self.tokens = tokens
        self.used = 0
        self._free = list(range(memory.slots - 1, -1, -1))
        self._reserved: dict[int, int] = {}

    def need(self, tokens: int) -> int:
        """Tokens of memory that a sequence of `tokens` takes: whole pages, and one token that evens a slice out."""
        grain = self.memory.layout.grain
        return math.ceil((tokens + 1) / grain) * grain

    def fits(self, tokens: int) -> bool:
        """True when a sequence of `tokens` could start now."""
        need = self.need(tokens)
        return bool(self._free) and need <= self.memory.layout.capacity and self.used + need <= self.tokens

    def take(self, tokens: int) -> int:
        """A slot with memory for `tokens`; only after `fits`."""
        slot = self._free.pop()
        self._reserved[slot] = self.need(tokens)
        self.used += self._reserved[slot]
        return slot

    def give_back(self, slot: int) -> None:
        """Free a slot and its memory."""
        self.used -= self._reserved.pop(slot)
        self._free.append(slot)
        self.memory.clear(slot)
