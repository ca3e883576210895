"""The thread that computes answers: add -> schedule -> run -> postprocess."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np

from freehold.engine.base import Answer, Array, Capacity
from freehold.engine.decoder_session import DecoderSession, Row
from freehold.engine.generation import Piece, Step
from freehold.engine.kv_cache import KvCache
from freehold.engine.prefix_cache import PrefixCache
from freehold.engine.sampler import Sampler
from freehold.engine.scheduler import Scheduler, Slice
from freehold.engine.sequence import Sequence
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

DRAFT_ROWS = 8
"""Rows of a step that verifies drafts; more rows cost more than they bring."""
DRAFTED = 2
"""As many answers at most get drafts: with more of them the rows are needed for their own tokens."""
LAST_STEP_S = 10.0
"""How long closing waits for the step that is under way: memory that it writes to cannot be given back before."""
SMOOTHING = 0.1  # weight of the newest step in the measured time


Outbox = list[tuple[Sequence, Piece | Exception]]


class TextLoop:
    """Runs sequences on one thread, and hands what they emit to the event loop, once a step.

    All but `start`, `add`, `cancel`, `capacity`, `alone` and `close` happens on that thread.
    """

    def __init__(
        self,
        session: DecoderSession,
        cache: KvCache,
        prefixes: PrefixCache,
        sampler: Sampler,
        *,
        slice_s: float,
        prompt_lookup: bool,
        name: str = "engine",
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        self._scheduler = Scheduler(cache, prefixes, slice_s, session.prefill_speed, session.slice_grain)
        self._session, self._cache, self._prefixes, self._sampler = session, cache, prefixes, sampler
        self._prompt_lookup = prompt_lookup and session.drafts_allowed
        self._name = name
        self._on_step = on_step
        self._changed = threading.Condition()
        self._stepping = threading.Lock()
        self._inbox: list[Sequence] = []
        self._arriving = 0  # tokens of prompts in the inbox
        self._outbox: Outbox = []
        self._step_s = 0.0
        self._usual_answer = 0.0  # tokens, measured
        self._capacity = Capacity("tokens", 0, 0, session.prefill_speed)
        self._closing = False
        self._resting = True  # nothing is computed, and nothing is on its way there
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind to the running event loop and start the thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence. Raises FreeholdError `shutting_down`."""
        with self._changed:
            if self._closing:
                raise FreeholdError("shutting_down")
            self._inbox.append(sequence)
            self._arriving += sequence.prompt_tokens
            self._changed.notify()

    def cancel(self, sequence: Sequence) -> None:
        """Free what a sequence holds, within one step."""
        with self._changed:
            sequence.cancelled = True
            self._changed.notify()

    def capacity(self) -> Capacity:
        """What waits and runs, in tokens of prompts: an answer's tokens count by the time that they take."""
        known = self._capacity
        return replace(known, queued=known.queued + self._arriving)

    def alone(self, tokens: int, compute: Callable[[DecoderSession, int], Answer]) -> Answer:
        """What `compute` returns, called between two steps with a slot that has room for `tokens`.

        Raises FreeholdError `kv_memory_taken` when there is no room now, `shutting_down`, and what `compute` raises.
        """
        with self._stepping:
            if self._closing:
                raise FreeholdError("shutting_down")
            if not self._cache.fits(tokens):
                free = self._cache.tokens - self._cache.used
                raise FreeholdError("kv_memory_taken", model=self._name, needed=self._cache.need(tokens), free=free)
            slot = self._cache.take(tokens)
            try:
                return compute(self._session, slot)
            finally:
                self._cache.give_back(slot)

    async def close(self, grace_s: float) -> None:
        """Let sequences finish within `grace_s` seconds, then fail what is left and end the thread."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + grace_s
        while not self._rests() and loop.time() < limit:  # noqa: ASYNC110 - a thread ends it
            await asyncio.sleep(0.01)
        with self._changed:
            self._closing = True
            self._changed.notify()
        limit = max(limit, loop.time()) + LAST_STEP_S
        thread = self._thread
        while thread is not None and thread.is_alive() and loop.time() < limit:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)
        if thread is not None and thread.is_alive():
            log.error("%s is still in a step: its memory is left to the end of the process", self._name)
            return
        with self._stepping:
            self._cache.memory.close()

    def _rests(self) -> bool:
        with self._changed:
            return self._resting and not self._inbox

    def _work(self) -> None:
        scheduler = self._scheduler
        while True:
            with self._changed:
                while scheduler.idle and not self._inbox and not self._closing:
                    self._resting = True
                    self._changed.wait()
                self._resting = False
                arrived, self._inbox, self._arriving = self._inbox, [], 0
                closing = self._closing
            for sequence in arrived:
                scheduler.add(sequence)
            if closing:
                for sequence in scheduler.everyone():
                    self._fail(sequence, FreeholdError("shutting_down"))
                self._post(None)
                return
            self._post(self._attempt())

    def _attempt(self) -> Step | None:
        try:
            with self._stepping:
                return self._step()
        except Exception as error:
            # The top of the engine's thread: one that died here would leave its model silent for ever.
            log.exception("a step failed in %s", self._name)
            return self._recover(error)

    def _step(self) -> Step | None:
        """One turn: drop who left, schedule, run, and give every sequence its piece."""
        self._sweep()
        work = self._scheduler.next()
        if isinstance(work, Slice):
            return self._enter(work)
        return self._decode(work) if work else None

    def _enter(self, work: Slice) -> Step:
        sequence, begin, end = work
        begun, now = perf_counter(), self._now()
        ids = np.array(sequence.tokens[begin:end], np.int64)
        logits = self._session.prefill(sequence.slot, ids, begin)
        self._prefixes.keep(sequence.keys, sequence.slot, begin, end)
        sequence.computed = end
        fresh = begin == sequence.cached_tokens
        self._scheduler.measured(end - begin, perf_counter() - begun)
        if end == sequence.prompt_tokens:
            self._scheduler.entered(sequence)
            self._choose([sequence], logits[np.newaxis])
            self._emit(sequence)
        return Step(
            "prefill",
            perf_counter() - begun,
            rows=1,
            tokens=end - begin,
            queued_s=now - sequence.times.arrived if fresh else None,
            kv_tokens=self._cache.used,
            kv_capacity=self._cache.tokens,
        )

    def _decode(self, sequences: list[Sequence]) -> Step:
        begun = perf_counter()
        before = sum(sequence.answered for sequence in sequences)
        rows = [Row(one.slot, one.computed, one.tokens[-1]) for one in sequences]
        guesses = self._guesses(sequences)
        for one, guess in zip(sequences, guesses, strict=True):
            rows += [Row(one.slot, one.computed + 1 + ahead, token) for ahead, token in enumerate(guess)]
        logits = self._session.decode(rows)
        self._choose(sequences, logits[: len(sequences)])
        drafted, accepted, first = 0, 0, len(sequences)
        for one, guess in zip(sequences, guesses, strict=True):
            right = self._verify(one, guess, logits[first : first + len(guess)])
            first += len(guess)
            drafted, accepted = drafted + len(guess), accepted + right
            one.computed = len(one.tokens) - 1
            self._emit(one)
        seconds = perf_counter() - begun
        self._step_s += SMOOTHING * (seconds - self._step_s)
        tokens = sum(sequence.answered for sequence in sequences) - before
        return Step(
            "decode",
            seconds,
            rows=len(sequences),
            tokens=tokens,
            drafted=drafted,
            accepted=accepted,
            kv_tokens=self._cache.used,
            kv_capacity=self._cache.tokens,
        )

    def _guesses(self, sequences: list[Sequence]) -> list[list[int]]:
        """Drafts for each sequence, where few enough are running."""
        if not self._prompt_lookup or len(sequences) > DRAFTED:
            return [[] for _ in sequences]
        return [sequence.drafts(DRAFT_ROWS // len(sequences) - 1) for sequence in sequences]

    def _verify(self, sequence: Sequence, guess: list[int], logits: Array) -> int:
        """Go on while what was chosen is what was guessed, for then the next row is what comes after it."""
        right = 0
        for token, row in zip(guess, logits, strict=True):
            if sequence.finish or sequence.slot < 0 or sequence.tokens[-1] != token:
                break
            right += 1
            self._choose([sequence], row[np.newaxis])
        sequence.judged(len(guess), right)
        return right

    def _choose(self, sequences: list[Sequence], logits: Array) -> None:
        """The next token of every sequence; one whose row cannot be sampled fails alone."""
        while sequences:
            try:
                choices = self._sampler.sample(logits, [sequence.state for sequence in sequences])
            except FreeholdError as error:
                row = int(str(error.details["row"]))
                self._fail(sequences[row], error)
                sequences = sequences[:row] + sequences[row + 1 :]
                logits = np.delete(logits, row, axis=0)
                continue
            for sequence, choice in zip(sequences, choices, strict=True):
                try:
                    sequence.accept(choice)
                except FreeholdError as error:
                    self._fail(sequence, error)
            return

    def _emit(self, sequence: Sequence) -> None:
        if sequence.slot < 0:  # failed in this step
            return
        self._outbox.append((sequence, sequence.take_piece()))
        if sequence.finish:
            self._usual_answer += SMOOTHING * (sequence.answered - self._usual_answer)
            self._scheduler.remove(sequence)

    def _fail(self, sequence: Sequence, error: FreeholdError) -> None:
        self._outbox.append((sequence, error))
        self._scheduler.remove(sequence)

    def _sweep(self) -> None:
        """Let go of those who left, and of those whose first token is overdue."""
        now = self._now()
        for sequence in self._scheduler.everyone():
            if sequence.cancelled:
                self._scheduler.remove(sequence)
            elif now > sequence.times.deadline and not sequence.answered:
                arrived, deadline = sequence.times
                waited = FreeholdError("deadline_exceeded", waited_s=now - arrived, deadline_s=deadline - arrived)
                self._fail(sequence, waited)

    def _recover(self, error: Exception) -> Step:
        """Fail what was being computed, forget what may be damaged, and leave those who wait their places."""
        reason = error.cause.rstrip(".") if isinstance(error, FreeholdError) else f"{type(error).__name__}: {error}"
        for sequence in self._scheduler.everyone():
            if sequence.slot >= 0:
                self._fail(sequence, FreeholdError("engine_stopped", model=self._name, reason=reason))
        self._prefixes.clear()
        return Step("crash", kv_capacity=self._cache.tokens)

    def _post(self, step: Step | None) -> None:
        self._capacity = self._look()
        outbox, self._outbox = self._outbox, []
        loop = self._loop
        if (outbox or step is not None) and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver, outbox, step)

    def _deliver(self, outbox: Outbox, step: Step | None) -> None:
        for sequence, item in outbox:
            sequence.pieces.put_nowait(item)
        if step is not None and self._on_step is not None:
            self._on_step(step)

    def _look(self) -> Capacity:
        scheduler = self._scheduler
        speed = scheduler.prefill_speed
        # While an answer's tokens are computed, so many tokens of a prompt could have been; answers share their steps.
        answer = self._usual_answer * self._step_s * speed / self._cache.memory.slots
        queued = sum(one.prompt_tokens + answer for one in scheduler.waiting)
        if scheduler.entering is not None:
            queued += scheduler.entering.prompt_tokens - scheduler.entering.computed
        return Capacity("tokens", int(queued), int(len(scheduler.running) * answer), speed)

    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time()
