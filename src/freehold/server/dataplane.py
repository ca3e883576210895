"""The one way from an endpoint to an engine, whatever the protocol: admission, deadline, disconnect, counting."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import Protocol, TypeVar

from freehold.engine.base import Answer, Array, Request, RerankRequest, ScoreRequest, TensorRequest
from freehold.engine.batcher import Batch
from freehold.engine.generation import GenerateRequest, Piece, Step, TextEngine
from freehold.http.visit import Visit
from freehold.server.models import Models, Served, State
from freehold.server.shared_memory import SharedMemory
from freehold.server.statistics import Statistics
from freehold.server.visible import Visible
from freehold.telemetry import ModelMetrics, Telemetry

T = TypeVar("T")

BYTES_A_CHARACTER = 64
"""What a character of text holds in Python and numpy while it waits: ids, type ids and mask of about a token each four
characters, plus the row that comes back."""
BYTES_A_TEXT = 4096
BYTES_A_TOKEN = 128
"""What a token of a prompt holds while it waits: a number as an object, its place in lists, its mark in the cache."""
BYTES_AN_OBJECT = 64
"""An empty string with its address."""


class Client(Protocol):
    """Whoever waits for an answer: a `Call` of HTTP, or one of gRPC."""

    @property
    def visit(self) -> Visit | None:
        """Whose key it came with; None where none is asked for."""
        ...

    def sees(self, model: str) -> bool:
        """Whether there is a model of that name for whoever asks."""
        ...

    async def while_connected(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`, which is cancelled as soon as the client leaves."""
        ...


class DataPlane:
    """Runs requests of all endpoints against the models of the node."""

    def __init__(self, models: Models, telemetry: Telemetry, shared: SharedMemory | None = None) -> None:
        """`shared`: the shared memory of clients; None turns it off."""
        self.models = models
        self.shared = shared or SharedMemory()
        self._telemetry = telemetry
        self._metrics: dict[str, ModelMetrics] = {}

    def seen_by(self, client: Client) -> Visible:
        """The models that there are for this client: what every endpoint asks."""
        return Visible(self.models, client.sees, client.visit)

    async def infer(
        self, client: Client, served: Served, request: Request, timeout_s: float | None = None, later: bool = False
    ) -> Answer:
        """The engine's answer. Its turn must come within `timeout_s` where that is less than the model's own deadline;
        one that may come `later` lets all others go first.

        Raises FreeholdError `overloaded` at once when the turn of the request would come after its deadline or its
        memory is not free, `deadline_exceeded` when it came too late all the same, and what the engine raises. A
        client that leaves frees its place.
        """
        begun = perf_counter()
        engine, statistics = served.engine, served.statistics  # a load may put others in their place meanwhile
        try:
            answer = engine.at_once(request)
            if answer is None:
                with served.admission.admit(footprint(request), timeout_s, later=later) as permit:
                    answer = await client.while_connected(engine.infer(request, permit.deadline, later))
        except BaseException:
            statistics.failed(perf_counter() - begun)
            raise
        statistics.succeeded(perf_counter() - begun)
        metrics = self._metrics_of(served)
        if answer.tokens:
            metrics.tokens.inc(answer.tokens)
        if answer.truncated:
            metrics.truncated.inc(answer.truncated)
        if client.visit is not None:
            client.visit.answered(served.id, engine.digest, answer.tokens)
        return answer

    async def generate(
        self,
        client: Client,
        served: Served,
        engine: TextEngine,
        request: GenerateRequest,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of one answer; a place is held until the last of them, or until this generator is closed. Its turn
        must come within `timeout_s` where that is less than the model's own deadline. `engine` is the one of the model
        that made the prompt's tokens: to another one, which may stand there by now, they would say something else.

        What prompts share is shared within a tenant: how fast an answer begins tells nobody of another one's prompts.

        Raises FreeholdError as `infer` does, and what `TextEngine.generate` raises. Whoever reads watches the client.
        """
        metrics = self._metrics_of(served)
        begun, last, ended = perf_counter(), None, False
        visit, statistics = client.visit, served.statistics
        if visit is not None:
            request = replace(request, sharing=f"{visit.key.tenant}\0{request.sharing}")
        with served.admission.admit(BYTES_A_TEXT + BYTES_A_TOKEN * len(request.prompt), timeout_s) as permit:
            try:
                async with aclosing(engine.generate(request, permit.deadline)) as pieces:
                    async for piece in pieces:
                        if last is None:
                            metrics.first_token_seconds.observe(perf_counter() - begun)
                        last = piece
                        yield piece
                ended = True
            finally:
                (statistics.succeeded if ended else statistics.failed)(perf_counter() - begun)
                if last is not None:
                    metrics.generated(last.prompt_tokens, last.cached_tokens, last.completion_tokens)
                    if visit is not None:
                        visit.answered(served.id, engine.digest, last.prompt_tokens, last.completion_tokens)

    def loaded(self, served: Served) -> None:
        """Count what a load came to."""
        metrics = self._metrics[served.id] = self._telemetry.model(served.id)  # one that was gone has new series
        metrics.load_seconds.set(served.load_s)
        metrics.proven(served.proof)

    def look(self) -> None:
        """Bring the gauges up to date that nothing else feeds, for a scrape."""
        for served in self.models.defaults():
            answers = served.now() is not State.RESTARTING and served.answers
            self._metrics_of(served).ready.set(1.0 if answers else 0.0)

    def _metrics_of(self, served: Served) -> ModelMetrics:
        metrics = self._metrics.get(served.id)
        if metrics is None:
            metrics = self._metrics[served.id] = self._telemetry.model(served.id)
        return metrics


def footprint(request: Request) -> int:
    """Bytes that a request holds beside its body while it waits and runs."""
    if isinstance(request, TensorRequest):
        return 2 * sum(map(_held, request.inputs.values()))
    if isinstance(request, ScoreRequest):
        return BYTES_A_TEXT + BYTES_A_TOKEN * (len(request.prompt) + len(request.answer))
    texts = request.texts
    characters = sum(map(len, texts))
    if isinstance(request, RerankRequest):
        characters += len(request.query) * len(texts)
    return BYTES_A_TEXT * len(texts) + BYTES_A_CHARACTER * characters


def _held(array: Array) -> int:
    """An array of objects counts its strings too, not only their addresses."""
    if array.dtype != object:
        return array.nbytes
    return BYTES_AN_OBJECT * array.size + sum(map(len, array.ravel()))


def step_observer(metrics: ModelMetrics, statistics: Statistics) -> Callable[[Step], None]:
    """What an engine that generates text calls with every step."""

    def observe(step: Step) -> None:
        if step.queued_s is not None:
            metrics.queue_seconds.observe(step.queued_s)
        if step.phase == "crash":
            metrics.engine_crashes.inc()
        else:
            metrics.compute_seconds.observe(step.seconds)
            metrics.batch_rows.observe(step.rows)
            metrics.batch_tokens.observe(step.tokens)
            begun = () if step.queued_s is None else (step.queued_s,)
            statistics.ran(step.rows, step.seconds, begun, inferences=len(begun))
        metrics.drafted_tokens.inc(step.drafted)
        metrics.accepted_tokens.inc(step.accepted)
        metrics.kv_tokens.set(step.kv_tokens)
        metrics.kv_capacity_tokens.set(step.kv_capacity)

    return observe


def batch_observer(metrics: ModelMetrics, statistics: Statistics) -> Callable[[Batch], None]:
    """What an engine calls with every batch."""

    def observe(batch: Batch) -> None:
        for waited in batch.queued_s:
            metrics.queue_seconds.observe(waited)
        metrics.compute_seconds.observe(batch.compute_s)
        rows = batch.items if batch.unit == "tokens" else batch.cost
        metrics.batch_rows.observe(rows)
        if batch.unit == "tokens":
            metrics.batch_tokens.observe(batch.cost)
        statistics.ran(rows, batch.compute_s, batch.queued_s, inferences=rows)

    return observe
