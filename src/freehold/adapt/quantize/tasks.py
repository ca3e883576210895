"""What a graph computes for a set of examples, kind by kind, on one thread."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from freehold.adapt.quantize.examples import Example
from freehold.artifact import Artifact, Manifest
from freehold.artifact.manifest import Decoder
from freehold.engine.base import Array
from freehold.engine.decoder_session import DecoderSession
from freehold.engine.encoder import laying_of
from freehold.engine.kv_memory import KvMemory
from freehold.engine.providers import Feeds, SessionOptions
from freehold.engine.scoring import memory_for, score
from freehold.engine.session import OnnxSession, open_runtime
from freehold.engine.settings import DEFAULT_BUDGET_TOKENS
from freehold.engine.tokenizer import Encoded, TextTokenizer, open_tokenizer
from freehold.errors import FreeholdError

LONGEST = 256
"""Tokens of an example of a model that generates, so that a measurement stays short."""
TIMED_EXAMPLES = 2


@dataclass(frozen=True)
class Observed:
    """What a graph answered. `rows` are the outputs, one array an example and output (of text kinds: one vector an
    example); of a model that generates, `tokens` are its choices at every place of the given answers, `logprobs` the
    natural logarithms of the probability of the given tokens, and `exact` whether every choice of an example is the
    given token."""

    rows: tuple[Array, ...] = ()
    tokens: Array | None = None
    logprobs: Array | None = None
    exact: tuple[bool, ...] = ()


class Task(Protocol):
    """A set of examples that graphs of one model are measured with."""

    @property
    def examples(self) -> Sequence[Example]:
        """What it was made of, in their order."""
        ...

    def observe(self, graph: Path) -> Observed:
        """What `graph` answers. Raises FreeholdError `graph_invalid` or `inference_failed`."""
        ...

    def stopwatch(self, graph: Path) -> "Stopwatch":
        """Opens `graph` to be timed. Raises FreeholdError `graph_invalid`."""
        ...


class Stopwatch(Protocol):
    """An open graph."""

    def seconds(self) -> float:
        """Processor time of one pass over the examples, or some of them."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(frozen=True)
class FeedTask:
    """Examples as feeds of a graph: batches of texts, or tensors one by one."""

    manifest: Manifest
    examples: Sequence[Example]
    feeds: tuple[Feeds, ...]

    def observe(self, graph: Path) -> Observed:
        """As the Protocol says."""
        session = _session(graph)
        names = [spec.name for spec in session.outputs]
        rows: list[Array] = []
        for feed in self.feeds:
            outputs = session.run(names, feed)
            rows += outputs if self.manifest.kind == "tensor" else list(outputs[0])
        return Observed(tuple(rows))

    def stopwatch(self, graph: Path) -> "FeedStopwatch":
        """As the Protocol says."""
        return FeedStopwatch(_session(graph), self.feeds)


@dataclass(frozen=True)
class FeedStopwatch:
    """Runs every feed once."""

    session: OnnxSession
    feeds: tuple[Feeds, ...]

    def seconds(self) -> float:
        """Processor time of this thread, which computes alone."""
        names = [spec.name for spec in self.session.outputs]
        begun = time.thread_time()
        for feed in self.feeds:
            self.session.run(names, feed)
        return time.thread_time() - begun

    def close(self) -> None:
        """Nothing is held but the session."""


@dataclass(frozen=True)
class ForcedTask:
    """Prompts and answers of a decoder, replayed token by token."""

    decoder: Decoder
    positions: int
    examples: Sequence[Example]
    pairs: tuple[tuple[list[int], list[int]], ...]

    def observe(self, graph: Path) -> Observed:
        """As the Protocol says."""
        with closing(self._memory()) as memory:
            session = self._session(graph, memory)
            answers = [score(session, 0, prompt, answer).outputs for prompt, answer in self.pairs]
        exact = tuple(
            bool(np.array_equal(seen["token_ids"], answer))
            for seen, (_, answer) in zip(answers, self.pairs, strict=True)
        )
        return Observed(
            tokens=np.concatenate([seen["token_ids"] for seen in answers]),
            logprobs=np.concatenate([seen["logprobs"] for seen in answers]),
            exact=exact,
        )

    def stopwatch(self, graph: Path) -> "ForcedStopwatch":
        """As the Protocol says."""
        memory = self._memory()
        return ForcedStopwatch(self._session(graph, memory), memory, self.pairs[:TIMED_EXAMPLES])

    def _memory(self) -> KvMemory:
        return memory_for(self.decoder, max(len(prompt) + len(answer) for prompt, answer in self.pairs))

    def _session(self, graph: Path, memory: KvMemory) -> DecoderSession:
        runtime = open_runtime(graph, SessionOptions(), graph.stem)
        return DecoderSession(runtime, runtime, self.decoder, memory, 1, self.positions)


@dataclass(frozen=True)
class ForcedStopwatch:
    """Scores a few answers: prompts at once, answers token by token."""

    session: DecoderSession
    memory: KvMemory
    pairs: tuple[tuple[list[int], list[int]], ...]

    def seconds(self) -> float:
        """Processor time of this thread, which computes alone."""
        begun = time.thread_time()
        for prompt, answer in self.pairs:
            score(self.session, 0, prompt, answer)
        return time.thread_time() - begun

    def close(self) -> None:
        """Unmap the memory of keys and values."""
        self.memory.close()


def task_of(artifact: Artifact, examples: Sequence[Example]) -> Task:
    """The task of an artifact's kind. Raises FreeholdError `tokenizer_unreadable` or `decoder_manifest_invalid`."""
    manifest = artifact.manifest
    if manifest.kind == "tensor":
        return FeedTask(manifest, examples, tuple({k: np.asarray(v) for k, v in e.parts.items()} for e in examples))
    if manifest.kind == "generate":
        if manifest.decoder is None:
            raise FreeholdError("decoder_manifest_invalid", path=artifact.path)
        plain = open_tokenizer(artifact.tokenizer)
        pairs = tuple(_pair(plain, example) for example in examples)
        return ForcedTask(manifest.decoder, manifest.limits.positions or LONGEST, examples, pairs)
    tokenizer = TextTokenizer(artifact.tokenizer, manifest.limits.max_tokens or manifest.limits.positions)
    sequences = [_encoded(tokenizer, manifest, example) for example in examples]
    return FeedTask(manifest, examples, tuple(map(laying_of(manifest), _batches(sequences))))


def _session(graph: Path) -> OnnxSession:
    return OnnxSession(graph, SessionOptions(), graph.stem)


def _encoded(tokenizer: TextTokenizer, manifest: Manifest, example: Example) -> Encoded:
    text = example.text()
    if manifest.kind != "rerank":
        return tokenizer.encode(text)
    query = example.text("query")
    return tokenizer.encode(manifest.pair.of(query, text)) if manifest.pair else tokenizer.encode_pair(query, text)


def _batches(sequences: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    """In their order, up to the engines' usual budget of tokens."""
    batch: list[Encoded] = []
    for sequence in sequences:
        if batch and sum(len(one.ids) for one in (*batch, sequence)) > DEFAULT_BUDGET_TOKENS:
            yield batch
            batch = []
        batch.append(sequence)
    yield batch


def _pair(tokenizer: Tokenizer, example: Example) -> tuple[list[int], list[int]]:
    """Prompt and answer: as recorded, as given, or the two halves of a text. Both have a token at least."""
    if "prompt_ids" in example.parts:
        prompt, answer = (np.asarray(example.parts[name]).tolist() for name in ("prompt_ids", "answer_ids"))
        return prompt[-LONGEST // 2 :], answer[: LONGEST // 2]
    ids = list(tokenizer.encode(example.text()).ids)[: LONGEST - 1] or [0]
    if isinstance(example.expected, str):
        whole = list(tokenizer.encode(example.text() + example.expected).ids)
        answer = whole[len(ids) :] or whole[-1:]
        return ids, answer[: LONGEST // 2]
    middle = max(1, len(ids) // 2)
    return ids[:middle], ids[middle:] or ids[-1:]
