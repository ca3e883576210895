"""The state of one request between its steps."""

import asyncio
from typing import NamedTuple

from freehold.engine.detokenizer import TextStream
from freehold.engine.generation import Finish, GenerateRequest, Piece, TokenLogprob
from freehold.engine.lookup import Lookup
from freehold.engine.sampler import SamplingState

FIRST_GUESS = 3
"""Tokens guessed at first: twice as many after a guess that was right to its end, else as many as were right."""


class Times(NamedTuple):
    """Loop time: when a request came, and by when its first token is due."""

    arrived: float
    deadline: float


class Sequence:
    """A prompt and its answer so far. `computed` of its tokens have their keys and values in `slot`."""

    def __init__(
        self,
        request: GenerateRequest,
        most: int,
        state: SamplingState,
        text: TextStream,
        ends: frozenset[int],
        times: Times,
    ) -> None:
        """`most` is how many tokens the answer may have, `ends` which of them end it."""
        self.request = request
        self.most = most
        self.state = state
        self.ends = ends
        self.times = times
        self.tokens = list(request.prompt)
        self.prompt_tokens = len(self.tokens)
        self.cached_tokens = 0
        self.computed = 0
        self.slot = -1
        self.keys: list[bytes] = []  # of the prompt's blocks in the prefix cache
        self.cancelled = False
        self.finish: Finish | None = None
        self.pieces: asyncio.Queue[Piece | Exception] = asyncio.Queue()  # touched by the event loop alone
        self._text = text
        self._lookup: Lookup | None = None
        self._guess = FIRST_GUESS
        self._chosen: list[TokenLogprob] = []
        self._emitted = ""

    @property
    def answered(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.prompt_tokens

    @property
    def reach(self) -> int:
        """Tokens that it may grow to."""
        return self.prompt_tokens + self.most

    def drafts(self, most: int) -> list[int]:
        """Up to `most` tokens that may come next."""
        if self._lookup is None:
            self._lookup = Lookup()
        self._lookup.extend(self.tokens[len(self._lookup) :])
        return self._lookup.guess(min(most, self._guess, self.reach - len(self.tokens) - 1))

    def judged(self, drafted: int, right: int) -> None:
        """Learn from how many of `drafted` tokens came true."""
        if drafted:
            self._guess = 2 * drafted if right == drafted else max(1, right)

    def accept(self, choice: TokenLogprob) -> None:
        """Append a token to the answer; it may end it. Raises FreeholdError `constraint_too_complex`."""
        self.state.accept(choice.id)
        self.tokens.append(choice.id)
        self._chosen.append(choice)
        if choice.id in self.ends:
            self._end("stop")
            return
        emitted = self._text.push(choice.id)
        self._emitted += emitted.text
        matcher = self.state.matcher
        if emitted.stopped:
            self.finish = "stop"
        elif matcher is not None and matcher.finished:
            self._end("stop")
        elif self.answered >= self.most:
            self._end("length")

    def take_piece(self) -> Piece:
        """What was added since the last piece."""
        text, chosen = self._emitted, self._chosen
        self._emitted, self._chosen = "", []
        return Piece(
            text,
            tuple([choice.id for choice in chosen]),
            tuple(chosen) if self.request.logprobs is not None else (),
            self.finish,
            self.prompt_tokens,
            self.cached_tokens,
            self.answered,
        )

    def _end(self, finish: Finish) -> None:
        self._emitted += self._text.flush().text
        self.finish = finish
