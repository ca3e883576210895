"""The next token of every row of logits. numpy only.

A row is worked on by itself, so that what a request gets never depends on its neighbours. Probabilities are doubles:
cuts and draws follow their definitions to the last bits. None needs the vocabulary in order, which is what makes the
usual way slow: a cut is a least weight, found among the few tokens that can matter, and a draw walks sums of blocks.

Measured at 151,936 tokens, microseconds a row (1 row or 16): greedy 10, `top_k` 50 170; `top_p` 0.9
is 320 where the model is sure, 700 where it is not, 1,200 where all is nearly equal; temperature alone 260.
"""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from freehold.engine.constraint import Matcher, mask_words
from freehold.engine.generation import GenerateRequest, Sampling, TokenLogprob
from freehold.errors import FreeholdError

Logits = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

BLOCK = 512  # sums of a vocabulary of 150,000 then fit a cache, and so does one block
SORTABLE = 8192  # what sorts in the time that one more cut would take
SEEDS = 2**64


class SamplingState:
    """What one request carries from token to token: its random numbers, what penalties count, its constraint.

    Raises FreeholdError `logit_bias_out_of_range`.
    """

    def __init__(self, request: GenerateRequest, vocab_size: int, matcher: Matcher | None = None) -> None:
        sampling = request.sampling
        for token in sampling.logit_bias:
            if not 0 <= token < vocab_size:
                raise FreeholdError("logit_bias_out_of_range", token=token, last=vocab_size - 1)
        self.sampling = sampling
        self.logprobs = request.logprobs
        self.matcher = matcher
        self.seed = secrets.randbits(64) if sampling.seed is None else sampling.seed % SEEDS
        self.position = 0  # in the answer, of the token to come
        self._bias_ids = np.fromiter(sampling.logit_bias.keys(), np.int64)
        self._bias = np.fromiter(sampling.logit_bias.values(), np.float32)
        self._prompt = np.unique(np.array(request.prompt if sampling.repetition_penalty != 1 else (), np.int64))
        self._counts: dict[int, int] = {}

    def accept(self, token: int) -> None:
        """Go on past `token`, whoever chose it. Raises FreeholdError `constraint_too_complex`, the state unchanged."""
        if self.matcher is not None:
            self.matcher.accept(token)
        self._counts[token] = self._counts.get(token, 0) + 1
        self.position += 1

    def uniform(self) -> float:
        """The random number in [0, 1) of the token to come: a function of seed and position alone (Philox)."""
        words = np.random.Philox(key=self.seed, counter=self.position)
        return (int(words.random_raw()) >> 11) * 2.0**-53

    def constrained(self, row: Logits, bits: npt.NDArray[np.int32]) -> Logits:
        """`row` with -inf where the constraint bars, and with the bias; `bits` is scratch. `row` itself stays."""
        if self.matcher is not None:
            self.matcher.mask(bits)
            allowed = np.unpackbits(bits.view(np.uint8), count=row.size, bitorder="little")
            # -inf or +inf, and the lesser of both: a fifth of the time of assigning through a mask
            row = np.minimum(row, (allowed - np.float32(0.5)) * np.float32(np.inf))
        if self._bias_ids.size:
            row = row.copy()
            row[self._bias_ids] += self._bias
        return row

    def penalized(self, row: Logits) -> Logits:
        """`row` after the penalties; `row` itself stays.

        Repetition divides positive and multiplies negative scores of what prompt or answer hold, once however often
        (transformers' RepetitionPenaltyLogitsProcessor); frequency and presence subtract per occurrence and once for
        what the answer holds (OpenAI's formula).
        """
        repetition = self.sampling.repetition_penalty
        frequency, presence = self.sampling.frequency_penalty, self.sampling.presence_penalty
        if repetition == 1 and frequency == presence == 0:
            return row
        row = row.copy()
        answer = np.fromiter(self._counts.keys(), np.int64, len(self._counts))
        if repetition != 1:
            seen = np.concatenate([self._prompt, answer])
            scores = row[seen]
            row[seen] = np.where(scores > 0, scores / repetition, scores * repetition)
        if frequency or presence:
            counts = np.fromiter(self._counts.values(), np.float32, len(self._counts))
            row[answer] -= frequency * counts + presence
        return row


class Sampler:
    """Draws tokens for rows of `vocab_size` logits. Not for two threads at once."""

    def __init__(self, vocab_size: int) -> None:
        self._bits = np.empty(mask_words(vocab_size), np.int32)

    def sample(self, logits: Logits, states: Sequence[SamplingState]) -> list[TokenLogprob]:
        """One token for each row of `logits`, float32 [rows, vocab_size], which stay as they are.

        States do not change either: `accept` moves them. So after a FreeholdError - `logits_invalid` (NaN or infinite),
        `constraint_unsatisfied` (no token left) or `constraint_too_complex` - the row that its `details["row"]` names
        can be taken out and the others asked again, with the same outcome. Log probabilities are 0.0 and () where the
        request asks for none; barred tokens are never among the alternatives.
        """
        best = logits.argmax(axis=1)  # a NaN counts as the largest
        return [self._next(row, logits[row], int(best[row]), state) for row, state in enumerate(states)]

    def _next(self, number: int, row: Logits, best: int, state: SamplingState) -> TokenLogprob:
        if not np.isfinite(row[best]):
            raise FreeholdError("logits_invalid", row=number, value=row[best])
        try:
            shown = state.constrained(row, self._bits)
        except FreeholdError as error:
            raise FreeholdError(error.code, **error.details, row=number) from error
        scores = state.penalized(shown)
        if scores is not row:
            best = int(scores.argmax())
        if scores[best] == -np.inf:
            raise FreeholdError("constraint_unsatisfied", row=number)
        greedy = state.sampling.temperature == 0
        token = best if greedy else draw(scores, scores[best], state.sampling, state.uniform())
        return _with_logprobs(shown, token, state.logprobs)


class _Candidates(NamedTuple):
    """Tokens that may be drawn, in the order of their ids, and their weights; `ids` None stands for all of them."""

    ids: Indices | None
    weights: Weights

    def only(self, places: Indices) -> "_Candidates":
        return _Candidates(places if self.ids is None else self.ids[places], self.weights[places])


def draw(scores: Logits, best: np.float32, sampling: Sampling, uniform: float) -> int:
    """The token at which the running sum of probabilities, by id, passes `uniform`.

    `scores` float32 [vocab_size] hold at least one finite value, the largest is `best`; `uniform` is in [0, 1). The
    temperature is positive. Equal scores at a cut are kept in the order of their ids.
    """
    limited = 0 < sampling.top_k < scores.size
    ids = largest(scores, sampling.top_k) if limited else None
    weights = (scores if ids is None else scores[ids]).astype(np.float64)
    weights -= best
    with np.errstate(over="ignore"):  # a temperature near 0: -inf, which weighs nothing
        weights /= sampling.temperature
    candidates = _Candidates(ids, np.exp(weights, out=weights))
    if sampling.top_p < 1:
        candidates = candidates.only(nucleus(candidates.weights, sampling.top_p))
    if sampling.min_p > 0:
        candidates = candidates.only(np.flatnonzero(candidates.weights >= sampling.min_p))  # the best weighs 1
    place = _crossing(candidates.weights, uniform * candidates.weights.sum())
    return place if candidates.ids is None else int(candidates.ids[place])


def largest(values: npt.NDArray[np.floating], count: int) -> Indices:
    """Places of the `count` largest of `values`, in ascending order; of equal ones the first."""
    return _from(values, np.partition(values, values.size - count)[values.size - count], count)


def nucleus(weights: Weights, top_p: float) -> Indices:
    """Places of the fewest weights, largest first, that together hold the share `top_p`; in ascending order.

    Exact, without sorting them all: a quickselect by mass. What lies above the mean either holds the mass that is still
    wanted, and all else is outside, or belongs to the nucleus, and the search goes on below. Of what is left, a few
    thousand at most, the running sum shows where the share is reached.
    """
    wanted = top_p * weights.sum()
    inside, rest = 0, weights
    while rest.size > SORTABLE:
        above = rest >= rest.mean()
        heavy = rest[np.flatnonzero(above)]
        if heavy.size in (0, rest.size):  # all are equal
            break
        mass = heavy.sum()
        if mass >= wanted:
            rest = heavy
        else:
            inside, wanted = inside + heavy.size, wanted - mass
            rest = rest[np.flatnonzero(~above)]
    ordered = np.sort(rest)[::-1]
    last = _crossing(ordered, np.nextafter(wanted, -1))  # reaching the share is enough
    return _from(weights, ordered[last], inside + last + 1)


def _from(values: npt.NDArray[np.floating], least: np.floating, count: int) -> Indices:
    """Places of the values from `least` up; more than `count` of them are cut among the equals of `least`, from the
    end."""
    places = np.flatnonzero(values >= least)
    excess = places.size - count
    if excess > 0:
        places = np.delete(places, np.flatnonzero(values[places] == least)[-excess:])
    return places


def _crossing(weights: Weights, target: float) -> int:
    """The first place at which the running sum of `weights` is more than `target`; its weight is never 0.

    A target at the total or, by rounding, above it counts as just below. A running sum over a whole vocabulary takes
    half a millisecond: sums of blocks find the block, and a running sum inside it the place.
    """
    start = 0
    if weights.size > BLOCK:
        sums = np.cumsum(np.add.reduceat(weights, np.arange(0, weights.size, BLOCK)))
        block = int(np.searchsorted(sums, min(target, np.nextafter(sums[-1], 0)), side="right"))
        start = block * BLOCK
        target -= sums[block - 1] if block else 0.0
        weights = weights[start : start + BLOCK]
    sums = np.cumsum(weights)
    return start + int(np.searchsorted(sums, min(target, np.nextafter(sums[-1], 0)), side="right"))


def _with_logprobs(row: Logits, token: int, alternatives: int | None) -> TokenLogprob:
    """`token`, with the logarithms of the softmax of `row` for it and for the `alternatives` most probable tokens."""
    if alternatives is None:
        return TokenLogprob(token, 0.0)
    best = float(row.max())
    norm = best + float(np.log(np.exp(row.astype(np.float64) - best).sum()))
    places = largest(row, min(alternatives, row.size)) if alternatives else np.empty(0, np.int64)
    places = places[np.argsort(-row[places], kind="stable")]
    top = tuple((int(place), float(row[place]) - norm) for place in places if row[place] > -np.inf)
    return TokenLogprob(token, float(row[token]) - norm, top)
