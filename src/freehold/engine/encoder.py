"""What embedding, rerank and classification engines share: one graph, one tokenizer, one batcher."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import numpy as np

from freehold.artifact import Artifact, Golden, Manifest, load_goldens
from freehold.engine.base import Answer, Array, Capacity, Proof, Request
from freehold.engine.batcher import Batcher, Item, first_come, nearest_length
from freehold.engine.heap import give_back
from freehold.engine.packed import pack
from freehold.engine.padded import pad
from freehold.engine.providers import Feeds, Session, SessionOptions, installed, open_session, runtime_version
from freehold.engine.settings import DEFAULT_BUDGET_TOKENS, EngineSettings
from freehold.engine.tokenizer import Encoded, TextTokenizer
from freehold.engine.tuner import Tuning, choose, remembered
from freehold.engine.verify import held_in, replay
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

IN_LOOP_CHARS = 4096
"""Requests up to this many characters are tokenized in the event loop (about a millisecond), others on a thread."""

BUDGETS_TOKENS = (128, 256, 512, 1024)
TYPICAL_TOKENS = 30
"""Mean length of the texts that tuning packs: the mean of the heavy-tailed mix that the benchmarks use."""


class Reader(Protocol):
    """How a kind of model reads its requests."""

    def characters(self, request: Request) -> int:
        """Characters to tokenize; ready ids count none."""
        ...

    def encode(self, tokenizer: TextTokenizer, request: Request) -> list[Encoded]:
        """One sequence a row of the answer. Raises FreeholdError for what this kind cannot read."""
        ...


def laying_of(manifest: Manifest) -> Callable[[Sequence[Encoded]], Feeds]:
    """How its graph takes sequences: packed or padded, with the types of tokens where it reads them."""
    lay = pad if manifest.layout == "padded" else pack
    return partial(lay, with_types=any(spec.name == "token_type_ids" for spec in manifest.inputs))


class Encoder:
    """An encoder graph behind a token-budget batcher; the kind's `reader` turns requests into sequences.

    A packed graph takes them in their order; one that pads takes the oldest and its nearest lengths.

    `max_tokens` is where texts are cut: the configuration's, else the manifest's, never beyond the graph's positions.
    """

    def __init__(self, artifact: Artifact, settings: EngineSettings, reader: Reader) -> None:
        limits = artifact.manifest.limits
        wanted = settings.max_tokens or limits.max_tokens or limits.positions
        self.max_tokens = min(wanted, limits.positions) if limits.positions else wanted
        self.manifest = artifact.manifest
        self.digest = artifact.digest
        self.precision = "fp32"
        self.proof = Proof("none")
        self._artifact = artifact
        self._settings = settings
        self._reader = reader
        self._padded = self.manifest.layout == "padded"
        self._output = self.manifest.outputs[0].name
        self._laid_out = laying_of(self.manifest)
        self._long_texts = ThreadPoolExecutor(1, thread_name_prefix=f"tokenize-{self.manifest.name}")
        self._tuned_now = False
        self._tokenizer: TextTokenizer | None = None
        self.tuning: Tuning | None = None  # after `load`
        self._session: Session | None = None
        self._batcher: Batcher | None = None

    @property
    def tokenizer(self) -> TextTokenizer:
        """The loaded tokenizer; before `load` there is none."""
        if self._tokenizer is None:
            raise FreeholdError("shutting_down")
        return self._tokenizer

    async def load(self) -> None:
        """Open the session, tune or recall the tuning, replay the goldens. Raises FreeholdError."""
        tuning = self.tuning = await asyncio.to_thread(self._open)
        self._batcher = Batcher(
            self._run,
            budget=self._settings.budget or tuning.budget,
            threads=self._settings.threads or tuning.threads,
            unit="tokens",
            form=nearest_length if self._padded else first_come,
            name=self.manifest.name,
            on_batch=self._settings.on_batch,
            speed=tuning.per_second / tuning.threads,
        )
        self._batcher.start()

    def ready(self) -> bool:
        """True after `load` and until `close`."""
        return self._batcher is not None

    def capacity(self) -> Capacity:
        """Tokens that wait and run, and tokens per second."""
        return self._batcher.capacity() if self._batcher else Capacity("tokens", 0, 0, 0.0)

    async def close(self, grace_s: float) -> None:
        """Finish what is queued within `grace_s` seconds, then stop."""
        batcher, self._batcher = self._batcher, None
        if batcher is not None:
            await batcher.close(grace_s)
        self._long_texts.shutdown(wait=False, cancel_futures=True)

    def at_once(self, request: Request) -> Answer | None:
        """None: every request goes through the queue."""
        return None

    def answer(self, request: Request) -> Answer:
        """One request alone, on the calling thread."""
        sequences = self._encode(request)
        return self._answer(sequences, [self._run([sequence])[0] for sequence in sequences])

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """Tokenize, queue every sequence, and put the rows together in the order of the request."""
        batcher = self._batcher
        if batcher is None:
            raise FreeholdError("shutting_down")
        if self._reader.characters(request) <= IN_LOOP_CHARS:
            sequences = self._encode(request)
        else:
            loop = asyncio.get_running_loop()
            sequences = await loop.run_in_executor(self._long_texts, self._encode, request)
        rows = await batcher.submit([Item(sequence, len(sequence.ids)) for sequence in sequences], deadline, later)
        return self._answer(sequences, rows)

    def _encode(self, request: Request) -> list[Encoded]:
        sequences = self._reader.encode(self.tokenizer, request)
        lengths = [len(sequence.ids) for sequence in sequences]
        if not all(lengths):  # end to end with others, it would be given a neighbour's state
            raise FreeholdError("text_without_tokens", model=self.manifest.name, place=lengths.index(0))
        return sequences

    def _answer(self, sequences: Sequence[Encoded], rows: Sequence[Array]) -> Answer:
        stacked = rows[0][np.newaxis] if len(rows) == 1 else np.stack(rows)
        tokens = sum(len(sequence.ids) for sequence in sequences)
        return Answer({self._output: stacked}, tokens, sum(sequence.cut for sequence in sequences))

    def _run(self, sequences: Sequence[Encoded]) -> Sequence[Array]:
        assert self._session is not None
        rows = self._session.run([self._output], self._laid_out(sequences))[0]
        return list(rows)

    def _open(self) -> Tuning:
        # The proof is the artifact's: its texts are cut where they were cut when they were recorded.
        limits = self.manifest.limits
        recorded_at = limits.max_tokens or limits.positions or self.max_tokens
        self._tokenizer = TextTokenizer(self._artifact.tokenizer, recorded_at)
        settings = self._settings
        goldens = load_goldens(self._artifact.goldens) if settings.prove else []
        chosen: Tuning | None = None
        if settings.precision != "auto":
            self._session = self._session_in(settings.device, settings.precision)
            self.precision = settings.precision
            self.proof = replay(self.answer, self.manifest, goldens, self.precision)
        else:
            chosen = self._open_fastest(goldens)
        tuning = chosen or self._tune(settings.device)
        if self.max_tokens != recorded_at:
            self._tokenizer = TextTokenizer(self._artifact.tokenizer, self.max_tokens)
        if self._tuned_now and chosen is None:
            # The runtime's allocator keeps what the largest batch that was tried took.
            self._session = self._session_in(settings.device, settings.precision)
        give_back()
        self.precision = held_in(self.manifest, self.precision)
        return tuning

    def _session_in(self, device: str, precision: str) -> Session:
        options = SessionOptions(device, precision, self._settings.state, self._settings.cpu_key, self.digest)
        return open_session(self._artifact.graph_for(device), options, self.manifest.name)

    def _open_fastest(self, goldens: Sequence[Golden]) -> Tuning:
        """fp32, or bf16 where the processor has it, the goldens hold in it, and it is measured to be faster.

        Without goldens nothing could show that bf16 is safe for this model, so fp32 it is.
        """
        device = self._settings.device
        self._session, self.precision = self._session_in(device, "fp32"), "fp32"
        self.proof = replay(self.answer, self.manifest, goldens, "fp32")
        tuning = self._tune(device)
        if not (self._settings.bf16_hardware and installed("openvino") and device == "cpu"):
            return tuning
        if self.proof.status not in ("raw", "self"):
            log.info("precision auto: %s has no goldens that hold, so it stays fp32", self.manifest.name)
            return tuning
        plain = self._session, self.precision, self.proof
        try:
            self._session, self.precision = self._session_in("openvino", "bf16"), "bf16"
            self.proof = replay(self.answer, self.manifest, goldens, "bf16")
            if self.proof.status != "failed":
                faster = self._tune("openvino")
                if faster.cpu_s < tuning.cpu_s:
                    return faster
        except FreeholdError as error:
            log.warning("precision auto: %s stays fp32, since bf16 cannot be had: %s", self.manifest.name, error.cause)
        self._session, self.precision, self.proof = plain
        return tuning

    def _tune(self, device: str) -> Tuning:
        """Of the session that is open now, which computes on `device`."""
        settings = self._settings
        if not settings.tune or (settings.threads and settings.budget):
            return Tuning(settings.threads or settings.cores, settings.budget or DEFAULT_BUDGET_TOKENS, 0.0)
        key = (settings.cpu_key, str(settings.cores), *runtime_version(device), self.digest, self.precision)
        threads = settings.threads or settings.cores

        def measure() -> Tuning:
            self._tuned_now = True
            return choose(self._trial, threads, BUDGETS_TOKENS)

        return remembered(settings.state and settings.state / "tuning", key, measure)

    def _trial(self, budget: int) -> int:
        """One packed batch of seeded random texts of typical lengths, about `budget` tokens in all."""
        rng = np.random.default_rng(budget)
        sequences: list[Encoded] = []
        left = budget
        while left > 0:
            length = int(np.clip(rng.lognormal(np.log(TYPICAL_TOKENS) - 0.4, 0.9), 4, min(left + 4, self.max_tokens)))
            ids = rng.integers(0, self.tokenizer.vocab_size, length).tolist()
            sequences.append(Encoded(ids, [0] * length, cut=False))
            left -= length
        self._run(sequences)
        return sum(len(sequence.ids) for sequence in sequences)
