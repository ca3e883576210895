"""Who runs next."""

from collections.abc import Iterator

import pytest
from tokenizers import Tokenizer, models

from freehold.artifact import Decoder
from freehold.engine.detokenizer import Detokenizer
from freehold.engine.generation import GenerateRequest, TokenLogprob
from freehold.engine.kv_cache import KvCache
from freehold.engine.kv_memory import KvMemory, Layout
from freehold.engine.prefix_cache import BLOCK, PrefixCache
from freehold.engine.sampler import SamplingState
from freehold.engine.scheduler import LONE_SLICES, Scheduler, Slice
from freehold.engine.sequence import Sequence, Times

SPEED = 1000.0


@pytest.fixture
def cache() -> Iterator[KvCache]:
    """Three slots of up to 1,024 tokens, and memory for 1,024 in all."""
    memory = KvMemory(Layout.of(Decoder(layers=1, kv_heads=1, head_size=64, vocab_size=26), 1023), slots=3, rows=3)
    yield KvCache(memory, 1024)
    memory.close()


def scheduler(cache: KvCache, slice_s: float = 0.1, prefix_bytes: int = 0) -> Scheduler:
    """Slices of 96 tokens while answers run."""
    return Scheduler(cache, PrefixCache(cache.memory, prefix_bytes), slice_s, SPEED, 16)


def sequence(prompt: int, most: int = 10) -> Sequence:
    """A prompt of so many tokens."""
    request = GenerateRequest([1] * prompt)
    text = Detokenizer(Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))).stream()
    return Sequence(request, most, SamplingState(request, 26), text, frozenset(), Times(0.0, 1.0))


def compute(planned: Scheduler, work: Slice) -> None:
    """What the engine does with a slice."""
    work.sequence.computed = work.end
    if work.end == work.sequence.prompt_tokens:
        work.sequence.accept(TokenLogprob(1, 0.0))
        planned.entered(work.sequence)


def taken(planned: Scheduler) -> Slice:
    """The next work, which is a slice."""
    work = planned.next()
    assert isinstance(work, Slice)
    return work


def test_prompts_and_answers_take_turns(cache: KvCache) -> None:
    """One slice, one token of every answer, one slice: a prompt that enters holds answers up for one slice."""
    planned = scheduler(cache)
    first, second = sequence(10), sequence(200)
    planned.add(first)
    compute(planned, taken(planned))
    planned.add(second)
    turns = []
    while planned.entering is not None or planned.waiting:
        work = planned.next()
        if isinstance(work, Slice):
            turns.append(work.end - work.begin)
            compute(planned, work)
        else:
            turns.append(len(work))
    assert turns == [1, 96, 1, 96, 1, 8]
    assert planned.next() == [first, second]


def test_slices_follow_the_measured_speed(cache: KvCache) -> None:
    """In steps of 16 tokens; a lone one is longer. The short end of a prompt says nothing of the speed."""
    planned = scheduler(cache, slice_s=0.15)
    planned.add(sequence(700))
    lone = taken(planned)
    assert (lone.begin, lone.end) == (0, round(0.15 * LONE_SLICES * SPEED / 16) * 16)
    for _ in range(100):
        planned.measured(100, 10.0)
    assert planned.prefill_speed == pytest.approx(10.0)
    compute(planned, lone)
    assert taken(planned).end == lone.end + 16
    planned.measured(15, 1e-6)
    assert planned.prefill_speed == pytest.approx(10.0)


@pytest.mark.parametrize(("slice_s", "per_token_s", "fixed_s"), [(0.1, 1.0, 0.03), (0.1, 1.0, 0.09), (0.1, 4.0, 0.02)])
def test_slices_stay_long_where_each_has_a_cost_of_its_own(
    cache: KvCache, slice_s: float, per_token_s: float, fixed_s: float
) -> None:
    """They take the time that they may, or the shortest there is; never shrink because short ones look slow."""
    planned = scheduler(cache, slice_s=slice_s)
    first, second = sequence(5, 100), sequence(500, 100)
    planned.add(first)
    compute(planned, taken(planned))
    planned.add(second)
    tokens = 0
    for _ in range(60):
        work = planned.next()
        if isinstance(work, Slice):
            tokens = work.end - work.begin
            planned.measured(tokens, fixed_s + tokens * per_token_s / SPEED)
    assert tokens % 16 == 0
    fitting = (slice_s - fixed_s) * SPEED / per_token_s
    assert abs(tokens - fitting) <= 16 or tokens == 16


def test_a_large_one_at_the_head_is_not_overtaken(cache: KvCache) -> None:
    """It waits until memory is free, and those behind it wait with it."""
    planned = scheduler(cache)
    running, large, small = sequence(100, 400), sequence(500, 400), sequence(5)
    for one in (running, large, small):
        planned.add(one)
    compute(planned, taken(planned))
    for _ in range(5):
        assert planned.next() == [running]
    planned.remove(running)
    assert taken(planned).sequence is large


def test_slots_bound_how_many_run(cache: KvCache) -> None:
    """Whatever memory says; who leaves makes room for the oldest."""
    planned = scheduler(cache)
    many = [sequence(5) for _ in range(5)]
    for one in many:
        planned.add(one)
    for _ in range(20):
        work = planned.next()
        if isinstance(work, Slice):
            compute(planned, work)
    assert planned.running == many[:3]
    planned.remove(many[1])
    while many[3] not in planned.running:
        work = planned.next()
        if isinstance(work, Slice):
            compute(planned, work)
    assert planned.running == [many[0], many[2], many[3]]
    assert list(planned.waiting) == [many[4]]


def test_removing_frees_wherever_it_stands(cache: KvCache) -> None:
    """Waiting, entering or running; twice is once."""
    planned = scheduler(cache)
    running, entering, waiting = sequence(5), sequence(300), sequence(5)
    planned.add(running)
    compute(planned, taken(planned))
    for one in (entering, waiting):
        planned.add(one)
    assert planned.next() == [running]
    assert taken(planned).sequence is entering
    assert planned.everyone() == [running, entering, waiting]
    for one in (waiting, entering, running, running):
        planned.remove(one)
    assert planned.idle
    assert planned.next() == []
    assert cache.used == 0


def test_a_known_beginning_is_skipped_but_never_the_last_token(cache: KvCache) -> None:
    """A prompt of whole blocks computes its last block again: its last logits begin the answer."""
    planned = scheduler(cache, slice_s=1.0, prefix_bytes=1 << 20)
    first = sequence(2 * BLOCK)
    planned.add(first)
    work = taken(planned)
    planned._prefixes.keep(first.keys, first.slot, work.begin, work.end)
    compute(planned, work)
    again, longer = sequence(2 * BLOCK), sequence(2 * BLOCK + 1)
    planned.add(again)
    planned.next()
    assert taken(planned) == Slice(again, BLOCK, 2 * BLOCK)
    compute(planned, Slice(again, BLOCK, 2 * BLOCK))
    planned.add(longer)
    planned.next()
    assert taken(planned) == Slice(longer, 2 * BLOCK, 2 * BLOCK + 1)
    assert (again.cached_tokens, longer.cached_tokens) == (BLOCK, 2 * BLOCK)
