"""Beginnings of prompts, kept by what they are."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.artifact import Decoder
from freehold.engine.kv_memory import KvMemory, Layout
from freehold.engine.prefix_cache import BLOCK, PrefixCache

BLOCK_BYTES = 2 * BLOCK * 16 * 4


@pytest.fixture(scope="module")
def memory() -> Iterator[KvMemory]:
    """Two slots of a layer with one head of 16."""
    memory = KvMemory(Layout.of(Decoder(layers=1, kv_heads=1, head_size=16, vocab_size=10), 511), slots=2, rows=1)
    yield memory
    memory.close()


def prompt(*blocks: int, rest: int = 0) -> list[int]:
    """Blocks of equal tokens each, and some more tokens."""
    return [token for block in blocks for token in [block] * BLOCK] + [99] * rest


def fill(memory: KvMemory, slot: int, tokens: list[int]) -> None:
    """Keys and values that depend on the token, its place and all before it, as real ones do."""
    sums = np.cumsum(np.asarray(tokens) * 31 + 7)
    memory.base[:, :, slot, :, : len(tokens)] = sums[:, np.newaxis]


def test_keys_are_those_of_whole_blocks_and_of_all_before_them(memory: KvMemory) -> None:
    """Equal keys are equal beginnings."""
    cache = PrefixCache(memory, 1 << 20)
    first, second = cache.keys(prompt(1, 2, rest=5)), cache.keys(prompt(3, 2))
    assert len(first) == len(second) == 2
    assert not set(first) & set(second)
    assert cache.keys(prompt(1, 4))[0] == first[0]
    assert cache.keys(prompt(rest=BLOCK - 1)) == []


def test_beginnings_are_shared_among_those_who_name_the_same(memory: KvMemory) -> None:
    """Equal prompts of two tenants have no key in common: neither tells by its time that the other was there."""
    cache = PrefixCache(memory, 1 << 20)
    tokens = prompt(1, 2)
    assert cache.keys(tokens, "a") == cache.keys(tokens, "a")
    assert not set(cache.keys(tokens, "a")) & {*cache.keys(tokens, "b"), *cache.keys(tokens)}


def test_what_was_kept_comes_back_bit_by_bit(memory: KvMemory) -> None:
    """Up to the first block that is not known."""
    cache = PrefixCache(memory, 1 << 20)
    tokens = prompt(1, 2, 3, rest=7)
    keys = cache.keys(tokens)
    fill(memory, 0, tokens)
    cache.keep(keys, 0, 0, len(tokens))
    memory.clear(1)
    other = cache.keys(prompt(1, 2, 5))
    assert cache.restore(other, 1) == 2 * BLOCK
    assert np.array_equal(memory.base[:, :, 1, :, : 2 * BLOCK], memory.base[:, :, 0, :, : 2 * BLOCK])
    assert not memory.base[:, :, 1, :, 2 * BLOCK :].any()
    assert cache.restore(cache.keys(prompt(7)), 1) == 0


def test_blocks_are_kept_as_slices_come(memory: KvMemory) -> None:
    """A slice that ends within the last block leaves that one out."""
    cache = PrefixCache(memory, 1 << 20)
    tokens = prompt(1, 2, rest=3)
    keys = cache.keys(tokens)
    cache.keep(keys, 0, 0, BLOCK)
    assert cache.used_bytes == BLOCK_BYTES
    cache.keep(keys, 0, BLOCK, len(tokens))
    assert cache.used_bytes == 2 * BLOCK_BYTES


def test_the_least_recently_used_goes_first(memory: KvMemory) -> None:
    """A beginning that was just restored stays."""
    cache = PrefixCache(memory, 2 * BLOCK_BYTES)
    one, two, three = (cache.keys(prompt(number)) for number in (1, 2, 3))
    cache.keep(one, 0, 0, BLOCK)
    cache.keep(two, 0, 0, BLOCK)
    assert cache.restore(one, 1) == BLOCK
    cache.keep(three, 0, 0, BLOCK)
    assert [cache.restore(keys, 1) for keys in (one, two, three)] == [BLOCK, 0, BLOCK]


def test_an_end_goes_before_its_beginning(memory: KvMemory) -> None:
    """Also of a prompt that came once: what is left of it can still be found."""
    cache = PrefixCache(memory, 3 * BLOCK_BYTES)
    old, new = cache.keys(prompt(1, 2)), cache.keys(prompt(3, 4))
    cache.keep(old, 0, 0, 2 * BLOCK)
    cache.keep(new, 0, 0, BLOCK)
    cache.keep(new, 0, BLOCK, 2 * BLOCK)
    assert [cache.restore(keys, 1) for keys in (old, new)] == [BLOCK, 2 * BLOCK]


def test_a_prompt_longer_than_the_budget_keeps_its_beginning(memory: KvMemory) -> None:
    """Dropping the beginning for the end would leave what can never be found."""
    cache = PrefixCache(memory, 2 * BLOCK_BYTES)
    keys = cache.keys(prompt(1, 2, 3, 4))
    cache.keep(keys, 0, 0, 4 * BLOCK)
    assert cache.restore(keys, 1) == 2 * BLOCK


def test_without_a_budget_nothing_is_kept(memory: KvMemory) -> None:
    """`prefix_cache_mb: 0` turns it off."""
    cache = PrefixCache(memory, 0)
    keys = cache.keys(prompt(1))
    cache.keep(keys, 0, 0, BLOCK)
    assert cache.used_bytes == 0
    assert cache.restore(keys, 1) == 0


def test_clear_forgets_everything(memory: KvMemory) -> None:
    """After a crash nothing that was computed is trusted."""
    cache = PrefixCache(memory, 1 << 20)
    keys = cache.keys(prompt(1))
    cache.keep(keys, 0, 0, BLOCK)
    cache.clear()
    assert cache.used_bytes == 0
    assert cache.restore(keys, 1) == 0


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=25), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_a_restored_beginning_is_always_what_its_prompt_computes(
    memory: KvMemory, prompts: list[list[int]], blocks: int
) -> None:
    """Whatever came before, within whatever budget."""
    cache = PrefixCache(memory, blocks * BLOCK_BYTES)
    for numbers in prompts:
        tokens = prompt(*numbers)
        keys = cache.keys(tokens)
        memory.clear(1)
        known = cache.restore(keys, 1)
        fill(memory, 0, tokens)
        assert np.array_equal(memory.base[:, :, 1, :, :known], memory.base[:, :, 0, :, :known])
        cache.keep(keys, 0, known, len(tokens))
        assert cache.used_bytes <= blocks * BLOCK_BYTES
        assert cache.restore(keys, 1) >= known
