"""Drawn tokens: exactly what the definitions say, whoever shares the batch."""

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from freehold.engine.constraint import ConstraintCompiler, Matcher
from freehold.engine.generation import Constraint, GenerateRequest, Sampling
from freehold.engine.sampler import SORTABLE, Sampler, SamplingState, draw, largest, nucleus
from freehold.errors import FreeholdError

CASES = settings(max_examples=80, deadline=None)
GREEDY = Sampling(temperature=0)


def scores(size: int, seed: int, spread: float = 3.0, ties: bool = False) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(size) * spread
    return (np.round(values) if ties else values).astype(np.float32)


def state(
    sampling: Sampling = GREEDY,
    size: int = 50,
    prompt: tuple[int, ...] = (1,),
    matcher: Matcher | None = None,
    **asked: Any,
) -> SamplingState:
    return SamplingState(GenerateRequest(prompt, sampling=sampling, **asked), size, matcher)


def reference(row: np.ndarray, sampling: Sampling, uniform: float) -> tuple[int, float]:
    """The token by the definitions, one candidate at a time in doubles, and how near the cut or the draw was to falling
    otherwise."""
    order = sorted(range(row.size), key=lambda id_: (-row[id_], id_))
    if sampling.top_k:
        order = order[: sampling.top_k]
    weights = [float(np.exp((float(row[id_]) - float(row[order[0]])) / sampling.temperature)) for id_ in order]
    total, running, kept, margin = sum(weights), 0.0, [], 1.0
    for id_, weight in zip(order, weights, strict=True):
        if sampling.top_p < 1:
            margin = min(margin, abs(running / total - sampling.top_p))
            if kept and running >= sampling.top_p * total:
                break
        running += weight
        if weight >= sampling.min_p:
            kept.append((id_, weight))
    kept.sort()
    total, running = sum(weight for _, weight in kept), 0.0
    for id_, weight in kept:
        running += weight
        margin = min(margin, abs(running / total - uniform))
        if running > uniform * total:
            return id_, margin
    return kept[-1][0], margin


SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0.05, 3),
    top_k=st.integers(0, 60),
    top_p=st.floats(0, 1),
    min_p=st.one_of(st.just(0.0), st.floats(0, 1)),
)


@CASES
@given(
    sampling=SAMPLINGS,
    size=st.sampled_from([1, 2, 50, 700, 2000]),
    seed=st.integers(0, 1000),
    ties=st.booleans(),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_a_draw_is_the_one_of_the_definitions(
    sampling: Sampling, size: int, seed: int, ties: bool, uniform: float
) -> None:
    """For any parameters, with and without equal scores, but where a last bit decides."""
    row = scores(size, seed, ties=ties)
    token, margin = reference(row, sampling, uniform)
    assume(margin > 1e-12)
    assert draw(row, row.max(), sampling, uniform) == token


@CASES
@given(
    top_p=st.floats(0, 1), seed=st.integers(0, 100), spread=st.sampled_from([0.0, 0.3, 3.0, 8.0]), ties=st.booleans()
)
def test_a_nucleus_of_many_is_exact(top_p: float, seed: int, spread: float, ties: bool) -> None:
    """More weights than are sorted at once, from all equal to very unequal, have the nucleus that a sort gives."""
    weights = np.exp(scores(3 * SORTABLE, seed, spread, ties).astype(np.float64))
    weights /= weights.max()
    order = np.argsort(-weights, kind="stable")
    shares = np.cumsum(weights[order]) / weights.sum()
    assume(np.abs(shares - top_p).min() > 1e-12)
    count = min(int(np.searchsorted(shares, top_p)) + 1, weights.size)
    np.testing.assert_array_equal(nucleus(weights, top_p), np.sort(order[:count]))


def test_a_nucleus_at_its_borders() -> None:
    """Half of two equal weights is the first; nothing is still the best; all is all."""
    assert nucleus(np.ones(2), 0.5).tolist() == [0]
    assert nucleus(np.array([0.5, 1.0]), 0.0).tolist() == [1]
    assert nucleus(np.ones(5), np.nextafter(1, 0)).size == 5
    assert nucleus(np.ones(3 * SORTABLE), 0.5).tolist() == list(range(3 * SORTABLE // 2))


@CASES
@given(seed=st.integers(0, 1000), count=st.integers(1, 50), ties=st.booleans())
def test_largest_takes_equals_by_id(seed: int, count: int, ties: bool) -> None:
    """As many as asked for, the first of equal ones."""
    row = scores(50, seed, ties=ties)
    order = np.argsort(-row.astype(np.float64), kind="stable")
    np.testing.assert_array_equal(largest(row, count), np.sort(order[:count]))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.7),
        Sampling(top_k=20),
        Sampling(top_p=0.8),
        Sampling(min_p=0.1),
        Sampling(temperature=1.4, top_k=40, top_p=0.95, min_p=0.02),
        Sampling(temperature=0.6, top_k=1),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_cuts_are_those_of_transformers(sampling: Sampling, seed: int) -> None:
    """The middle of each token's share of the probabilities that transformers leaves draws that token, and no other."""
    row = scores(300, seed, 2.0)
    left = TemperatureLogitsWarper(sampling.temperature)(None, torch.tensor(row)[None].double())
    warpers = [
        TopKLogitsWarper(sampling.top_k) if sampling.top_k else None,
        TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None,
        MinPLogitsWarper(sampling.min_p) if sampling.min_p else None,
    ]
    for warper in filter(None, warpers):
        left = warper(None, left)
    probabilities = left.softmax(-1)[0].numpy()
    middles = np.cumsum(probabilities) - probabilities / 2
    kept = np.flatnonzero(probabilities)
    assert [draw(row, row.max(), sampling, middles[id_]) for id_ in kept] == kept.tolist()


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3])
def test_the_repetition_penalty_is_that_of_transformers(penalty: float) -> None:
    """Over prompt and answer, once for each token however often it stands there."""
    row, prompt, answer = scores(50, 3), (4, 9, 9, 20), (9, 30, 30)
    mine = state(Sampling(repetition_penalty=penalty), prompt=prompt)
    for token in answer:
        mine.accept(token)
    ids = torch.tensor([[*prompt, *answer]])
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(ids, torch.tensor(row)[None].clone())[0]
    np.testing.assert_allclose(mine.penalized(row), theirs.numpy(), rtol=1e-6)


def test_presence_and_frequency_count_the_answer() -> None:
    """Each occurrence in the answer costs the frequency penalty, the first one the presence penalty too."""
    row = scores(50, 3)
    mine = state(Sampling(presence_penalty=0.5, frequency_penalty=0.25), prompt=(7, 7))
    for token in (9, 9, 9, 30):
        mine.accept(token)
    expected = row.copy()
    expected[9] -= 0.5 + 3 * 0.25
    expected[30] -= 0.5 + 0.25
    np.testing.assert_allclose(mine.penalized(row), expected, rtol=1e-6)


def test_a_bias_moves_the_best() -> None:
    """OpenAI's -100 bars a token in practice, +100 forces one; greedy answers obey too."""
    row = scores(50, 1)[None]
    best = int(row.argmax())
    assert Sampler(50).sample(row, [state(Sampling(temperature=0, logit_bias={best: -100.0}))])[0].id != best
    assert Sampler(50).sample(row, [state(Sampling(temperature=0, logit_bias={17: 100.0}))])[0].id == 17


@pytest.mark.parametrize("token", [-1, 50])
def test_a_bias_on_no_token_is_refused(token: int) -> None:
    """The id and the last one there is are named."""
    with pytest.raises(FreeholdError, match=rf"token {token}; .* to 49"):
        state(Sampling(logit_bias={token: 1.0}))


def test_draws_follow_the_distribution() -> None:
    """4,000 draws of one seed pass a chi-square test at 1 in 1,000 (fixed seed: it passes always, or never)."""
    row = np.log(np.array([[0.05, 0.1, 0.15, 0.3, 0.25, 0.1, 0.04, 0.01]], np.float32))
    mine, sampler = state(Sampling(seed=11), size=8), Sampler(8)
    counts = np.zeros(8)
    for _ in range(4000):
        token = sampler.sample(row, [mine])[0].id
        mine.accept(token)
        counts[token] += 1
    expected = np.exp(row[0].astype(np.float64)) * 4000
    assert ((counts - expected) ** 2 / expected).sum() < 24.32  # 7 degrees of freedom


KINDS = [
    Sampling(temperature=0),
    Sampling(seed=1),
    Sampling(seed=2, top_p=0.9),
    Sampling(seed=3, top_k=40, temperature=0.7),
    Sampling(seed=4, min_p=0.05, repetition_penalty=1.2),
    Sampling(temperature=0, presence_penalty=1.0),
    Sampling(seed=5, logit_bias=MappingProxyType({3: 4.0, 8: -2.0})),
]


def test_a_row_alone_is_the_row_among_others() -> None:
    """Tokens and log probabilities are the same bit for bit, in any company and in any place."""
    rng = np.random.default_rng(0)
    sampler, size = Sampler(5000), 5000
    logits = (rng.standard_normal((8, len(KINDS), size)) * 3).astype(np.float32)
    together = [state(kind, size, logprobs=3) for kind in KINDS]
    alone = [state(kind, size, logprobs=3) for kind in KINDS]
    for step in logits:
        order = rng.permutation(len(KINDS))
        drawn = sampler.sample(np.ascontiguousarray(step[order]), [together[row] for row in order])
        for place, row in enumerate(order):
            assert sampler.sample(step[row : row + 1], [alone[row]])[0] == drawn[place]
            together[row].accept(drawn[place].id)
            alone[row].accept(drawn[place].id)


def test_logits_and_states_stay_as_they_are() -> None:
    """Asking twice gives the same tokens; only `accept` moves a request on."""
    logits = np.stack([scores(50, seed) for seed in range(len(KINDS))])
    before, states = logits.copy(), [state(kind) for kind in KINDS]
    assert Sampler(50).sample(logits, states) == Sampler(50).sample(logits, states)
    np.testing.assert_array_equal(logits, before)


def test_random_numbers_belong_to_seed_and_position() -> None:
    """Neither the tokens taken nor the other parameters move them; another seed or position does."""
    one, two, other = state(Sampling(seed=7)), state(Sampling(seed=7, top_p=0.5)), state(Sampling(seed=-7))
    first = one.uniform()
    assert 0 <= first < 1
    assert first == one.uniform() == two.uniform() != other.uniform()
    one.accept(3)
    two.accept(40)
    assert one.uniform() == two.uniform() != first
    assert state(Sampling()).seed != state(Sampling()).seed


def test_a_tiny_temperature_is_nearly_greedy() -> None:
    """Nothing overflows on the way."""
    row = scores(50, 2)[None]
    for temperature in (1e-3, 1e-30, 1e-310):
        assert Sampler(50).sample(row, [state(Sampling(temperature=temperature, seed=1))])[0].id == row.argmax()


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("size", [40, 4000])
def test_what_weighs_nothing_is_never_drawn(uniform: float, size: int) -> None:
    """At both ends of the random numbers, and with barred tokens at both ends of the vocabulary."""
    row = np.full(size, -np.inf, np.float32)
    row[10:30] = 0.0
    assert draw(row, np.float32(0), Sampling(), uniform) == (10 if uniform == 0 else 29)


def test_log_probabilities_are_those_before_the_penalties() -> None:
    """Of the biased scores, before temperature and penalties; the alternatives in order, equal ones by id."""
    row = scores(50, 4, ties=True)
    sampling = Sampling(temperature=0.3, repetition_penalty=2.0, logit_bias={5: 3.0}, seed=1)
    taken = Sampler(50).sample(row[None], [state(sampling, prompt=tuple(range(50)), logprobs=6)])[0]
    biased = torch.tensor(row).double()
    biased[5] += 3
    expected = biased.log_softmax(-1).numpy()
    order = np.argsort(-expected, kind="stable")[:6]
    assert [id_ for id_, _ in taken.top] == order.tolist()
    np.testing.assert_allclose([value for _, value in taken.top], expected[order], atol=1e-12)
    assert taken.logprob == pytest.approx(expected[taken.id], abs=1e-12)
    bare, none = (Sampler(50).sample(row[None], [state(logprobs=asked)])[0] for asked in (0, None))
    assert (bare.top, bare.logprob) == ((), pytest.approx(row.max() - biased.logsumexp(-1).item(), abs=1.0))
    assert bare.logprob < 0 == none.logprob


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_logits_name_their_row(bad: float) -> None:
    """A NaN or an infinity anywhere in a row is an error of that row; without it the others get their tokens."""
    logits = np.stack([scores(50, seed) for seed in range(3)])
    logits[1, 20] = bad
    states = [state(), state(), state(Sampling(seed=5))]
    with pytest.raises(FreeholdError, match="logits_invalid") as caught:
        Sampler(50).sample(logits, states)
    assert caught.value.details["row"] == 1
    left = Sampler(50).sample(logits[[0, 2]], [states[0], states[2]])
    assert left[0].id == logits[0].argmax()
    with pytest.raises(FreeholdError, match="best score for the next token is -inf"):
        Sampler(50).sample(np.full((1, 50), -np.inf, np.float32), [state()])


@pytest.fixture(scope="module")
def compiler(byte_level: Tokenizer) -> ConstraintCompiler:
    end = byte_level.token_to_id("</s>")
    return ConstraintCompiler(byte_level.to_str(), byte_level.get_vocab_size(), {end})


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(seed=1), Sampling(seed=1, top_k=5, logit_bias={9: 90.0})])
def test_a_constraint_comes_first(compiler: ConstraintCompiler, byte_level: Tokenizer, sampling: Sampling) -> None:
    """Only allowed tokens are drawn or shown, whatever bias and cuts say; a row beside it is free."""
    size = byte_level.get_vocab_size()
    mine = state(sampling, size, matcher=compiler.compile(Constraint("regex", "[0-9]{2}")).matcher(), logprobs=20)
    free = state(GREEDY, size)
    text = ""
    for step in range(2):
        logits = np.stack([scores(size, step), scores(size, step)])
        taken, beside = Sampler(size).sample(logits, [mine, free])
        assert beside.id == logits[1].argmax()
        mine.accept(taken.id)
        text += byte_level.decode([taken.id])
        assert all(byte_level.decode([id_]).isdecimal() for id_, _ in taken.top)
        if len(text) == 2:
            break
    assert text.isdecimal()
    assert mine.matcher is not None
    assert mine.matcher.finished


def test_a_constraint_that_leaves_nothing_is_an_error(compiler: ConstraintCompiler, byte_level: Tokenizer) -> None:
    """Where the model gives every allowed token -inf, the row is named; a barred token that is taken all the same is
    refused and counts for nothing."""
    size = byte_level.get_vocab_size()
    mine = state(GREEDY, size, matcher=compiler.compile(Constraint("regex", "[0-9]")).matcher())
    logits = np.full((1, size), -np.inf, np.float32)
    logits[0, byte_level.token_to_id("a")] = 1.0
    with pytest.raises(FreeholdError, match="constraint_unsatisfied") as caught:
        Sampler(size).sample(logits, [mine])
    assert caught.value.details["row"] == 0
    with pytest.raises(FreeholdError, match="constraint_too_complex"):
        mine.accept(byte_level.token_to_id("a"))
    assert mine.position == 0
    with pytest.raises(FreeholdError, match="constraint_too_complex") as caught:
        Sampler(size).sample(logits, [mine])
    assert caught.value.details["row"] == 0
