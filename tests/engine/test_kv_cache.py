"""Who has which slot, and how many tokens are promised."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.artifact import Decoder
from freehold.engine.kv_cache import KvCache
from freehold.engine.kv_memory import KvMemory, Layout

GRAIN = 64  # of 16 floats a head


@pytest.fixture(scope="module")
def memory() -> Iterator[KvMemory]:
    """Three slots of up to 256 tokens."""
    memory = KvMemory(Layout.of(Decoder(layers=1, kv_heads=1, head_size=16, vocab_size=10), 255), slots=3, rows=1)
    yield memory
    memory.close()


def test_a_sequence_takes_whole_pages_and_one_token_more(memory: KvMemory) -> None:
    """The one that evens a slice out."""
    cache = KvCache(memory, 1000)
    assert [cache.need(tokens) for tokens in (1, 63, 64, 127, 128, 255)] == [64, 64, 128, 128, 192, 256]


def test_slots_and_tokens_both_bound_it(memory: KvMemory) -> None:
    """Three slots; or memory for two sequences."""
    cache = KvCache(memory, 3 * GRAIN)
    slots = [cache.take(10) for _ in range(3)]
    assert sorted(slots) == [0, 1, 2]
    assert not cache.fits(1)
    cache.give_back(slots[0])
    assert cache.fits(GRAIN - 1)
    assert not cache.fits(GRAIN)


def test_nothing_longer_than_a_slot_fits(memory: KvMemory) -> None:
    """However much memory there is."""
    cache = KvCache(memory, 10_000)
    assert cache.fits(255)
    assert not cache.fits(256)


@given(st.lists(st.integers(1, 255), min_size=1, max_size=40), st.integers(GRAIN, 800))
@settings(max_examples=40, deadline=None)
def test_promises_never_exceed_the_budget_and_all_come_back(memory: KvMemory, sizes: list[int], budget: int) -> None:
    """Whatever comes and goes, in whatever order."""
    cache = KvCache(memory, budget)
    held: list[int] = []
    for size in sizes:
        if cache.fits(size):
            held.append(cache.take(size))
        elif held:
            cache.give_back(held.pop(size % len(held)))
        assert cache.used <= budget
        assert len(set(held)) == len(held) <= memory.slots
    for slot in held:
        cache.give_back(slot)
    assert cache.used == 0
    assert memory.resident_bytes == 0
