"""The beginnings of prompts, kept after their sequences are gone: a shared system prompt is computed once.

Kept are whole blocks of tokens, as the prefill graph wrote them: what the decode graph writes may differ in the last
bits (in profile `fast` in more), and then an answer would depend on who asked before.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

import numpy as np

from freehold.engine.base import Array
from freehold.engine.kv_memory import KvMemory

BLOCK = 64
"""Tokens a block."""


class PrefixCache:
    """Blocks of keys and values by the tokens that lead up to their end; the least recently used go first.

    A block's key is a digest of its own tokens and of the key of the block before, so that equal keys are equal
    beginnings.
    """

    def __init__(self, memory: KvMemory, budget_bytes: int) -> None:
        self._memory = memory
        self._budget = budget_bytes
        self._blocks: OrderedDict[bytes, Array] = OrderedDict()
        self.used_bytes = 0

    def keys(self, tokens: Sequence[int], sharing: str = "") -> list[bytes]:
        """The keys of all whole blocks of `tokens`, in order; equal among those who name the same `sharing` alone."""
        ids = np.asarray(tokens, np.int64)
        key = hashlib.blake2b(sharing.encode(), digest_size=16).digest() if sharing else b""
        keys = []
        for end in range(BLOCK, len(ids) + 1, BLOCK):
            key = hashlib.blake2b(key + ids[end - BLOCK : end].tobytes(), digest_size=16).digest()
            keys.append(key)
        return keys

    def restore(self, keys: Sequence[bytes], slot: int) -> int:
        """Copy the longest known beginning into `slot`; how many tokens that is."""
        count = next((index for index, key in enumerate(keys) if key not in self._blocks), len(keys))
        for index, key in enumerate(islice(keys, count)):
            self._memory.base[:, :, slot, :, index * BLOCK : (index + 1) * BLOCK] = self._blocks[key]
        self._use(keys[:count])
        return count * BLOCK

    def keep(self, keys: Sequence[bytes], slot: int, begin: int, end: int) -> None:
        """Copy the blocks of `slot` that were completed between the tokens `begin` and `end`."""
        completed = range(begin // BLOCK, min(end // BLOCK, len(keys)))
        for index in completed:
            if keys[index] in self._blocks:
                continue
            block = self._memory.base[:, :, slot, :, index * BLOCK : (index + 1) * BLOCK]
            if not self._room_for(block.nbytes, keys[: index + 1]):
                break
            self._blocks[keys[index]] = block.copy()
            self.used_bytes += block.nbytes
        if completed:
            self._use(keys[: completed.stop])

    def clear(self) -> None:
        """Forget everything."""
        self._blocks.clear()
        self.used_bytes = 0

    def _use(self, chain: Sequence[bytes]) -> None:
        """Of a chain the beginning is the most recently used, and goes last: the rest cannot be found without it."""
        for key in reversed(chain):
            if key in self._blocks:
                self._blocks.move_to_end(key)

    def _room_for(self, size: int, chain: Sequence[bytes]) -> bool:
        """Make room, but never by dropping what leads up to the new block: it could not be found without."""
        while self.used_bytes + size > self._budget:
            oldest = next(iter(self._blocks), None)
            if oldest is None or oldest in chain:
                return False
            self.used_bytes -= self._blocks.pop(oldest).nbytes
        return True
