"""The instruments of one process, and what a scrape of them says."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from freehold.telemetry import names
from freehold.telemetry.gpu import GpuCollector
from freehold.telemetry.instruments import Histogram, Histograms, Value, Values

Shows = Callable[[Mapping[str, str]], bool]
"""Whether the series with these labels is for whoever asks."""


class RouteMetrics:
    """What is counted of one route. Fed from the event loop only, hence without locks.

    Its series begin with its first answer: a server has more routes than its clients use.
    """

    __slots__ = ("_all_requests", "_all_seconds", "_answers", "_first_frames", "_route", "_seconds")

    def __init__(self, route: str, requests: Values, seconds: Histograms, first_frames: Histograms) -> None:
        self._route = route
        self._first_frames = first_frames
        self._all_requests = requests
        self._all_seconds = seconds
        self._answers: dict[int, Value] = {}
        self._seconds: Histogram

    def observe(self, status: int, seconds: float) -> None:
        """Count one answer."""
        answers = self._answers.get(status)
        if answers is None:
            answers = self._answers[status] = self._all_requests.of(self._route, str(status))
            self._seconds = self._all_seconds.of(self._route)
        answers.value += 1.0
        self._seconds.observe_alone(seconds)

    def streamed(self, seconds: float) -> None:
        """Count how long the first frame of a streamed answer took."""
        self._first_frames.of(self._route).observe_alone(seconds)


class RoutedMetrics:
    """What is counted of one model of a route. Fed from the event loop only, hence without locks."""

    __slots__ = ("_answers", "_model", "_requests", "_route", "_seconds")

    def __init__(self, route: str, model: str, telemetry: "Telemetry") -> None:
        self._route = route
        self._model = model
        self._requests = telemetry.routed_requests
        self._seconds = telemetry.routed_seconds.of(route, model)
        self._answers: dict[int, Value] = {}

    def observe(self, status: int, seconds: float) -> None:
        """Count one answer."""
        answers = self._answers.get(status)
        if answers is None:
            answers = self._answers[status] = self._requests.of(self._route, self._model, str(status))
        answers.value += 1.0
        self._seconds.observe_alone(seconds)


class ReplicaMetrics:
    """What is counted of one of the servers of a model. `replica` is its number: addresses stay in the log."""

    def __init__(self, model: str, replica: str, telemetry: "Telemetry") -> None:
        self.ready: Value = telemetry.replica_ready.of(model, replica)
        self.ejected: Value = telemetry.replica_ejected.of(model, replica)
        self.ejections: Value = telemetry.replica_ejections.of(model, replica)
        self.in_flight: Value = telemetry.replica_in_flight.of(model, replica)


class ModelMetrics:
    """What is counted of one model; every series is bound once, so that feeding it is one method call."""

    def __init__(self, model: str, telemetry: "Telemetry") -> None:
        self.queue_seconds: Histogram = telemetry.queue_seconds.of(model)
        self.compute_seconds: Histogram = telemetry.compute_seconds.of(model)
        self.batch_rows: Histogram = telemetry.batch_rows.of(model)
        self.batch_tokens: Histogram = telemetry.batch_tokens.of(model)
        self.tokens: Value = telemetry.tokens.of(model)
        self.truncated: Value = telemetry.truncated.of(model)
        self.first_token_seconds: Histogram = telemetry.first_token_seconds.of(model)
        self.prompt_tokens: Value = telemetry.prompt_tokens.of(model)
        self.cached_tokens: Value = telemetry.cached_tokens.of(model)
        self.generated_tokens: Value = telemetry.generated_tokens.of(model)
        self.drafted_tokens: Value = telemetry.drafted_tokens.of(model)
        self.accepted_tokens: Value = telemetry.accepted_tokens.of(model)
        self.kv_tokens: Value = telemetry.kv_tokens.of(model)
        self.kv_capacity_tokens: Value = telemetry.kv_capacity_tokens.of(model)
        self.engine_crashes: Value = telemetry.engine_crashes.of(model)
        self.in_flight: Value = telemetry.model_in_flight.of(model)
        self.ready: Value = telemetry.model_ready.of(model)
        self.load_seconds: Value = telemetry.load_seconds.of(model)
        self.retries: Value = telemetry.retries.of(model)
        self._model = model
        self._telemetry = telemetry
        self._proof = telemetry.proof
        self._refused = telemetry.refused

    def refused(self, reason: str) -> None:
        """Count one refusal by admission."""
        self._refused.inc(self._model, reason)

    def generated(self, prompt: int, cached: int, completion: int) -> None:
        """Count the tokens of one answer: its prompt's, those of them that were not computed again, and its own."""
        self.prompt_tokens.inc(prompt)
        self.cached_tokens.inc(cached)
        self.generated_tokens.inc(completion)
        self.tokens.inc(prompt - cached + completion)

    def replicas(self, count: int) -> tuple[ReplicaMetrics, ...]:
        """The instruments of its servers, counted from 1. Those of servers that it had before are gone."""
        telemetry = self._telemetry
        for gauges in (telemetry.replica_ready, telemetry.replica_ejected, telemetry.replica_in_flight):
            gauges.forget(self._model)
        return tuple(ReplicaMetrics(self._model, str(number), telemetry) for number in range(1, count + 1))

    def proven(self, state: str) -> None:
        """Say which state the proof is in: raw, self, none or failed."""
        self._proof.forget(self._model)
        self._proof.of(self._model, state).set(1.0)


class Telemetry:
    """All instruments of one process, with a registry of their own. Made once, handed to whoever counts."""

    def __init__(self, version: str = "", *, process: bool = True) -> None:
        """`process` adds memory, CPU time and open files of this process."""
        self.requests = Values(names.REQUESTS)
        self.request_seconds = Histograms(names.REQUEST_SECONDS)
        self.first_frame_seconds = Histograms(names.FIRST_FRAME_SECONDS)
        self.routed_requests = Values(names.ROUTED)
        self.routed_seconds = Histograms(names.ROUTED_SECONDS)
        self.errors = Values(names.ERRORS)
        self.refused = Values(names.REFUSED)
        self.queue_seconds = Histograms(names.QUEUE_SECONDS)
        self.compute_seconds = Histograms(names.COMPUTE_SECONDS)
        self.batch_rows = Histograms(names.BATCH_ROWS)
        self.batch_tokens = Histograms(names.BATCH_TOKENS)
        self.tokens = Values(names.TOKENS)
        self.truncated = Values(names.TRUNCATED)
        self.first_token_seconds = Histograms(names.FIRST_TOKEN_SECONDS)
        self.prompt_tokens = Values(names.PROMPT_TOKENS)
        self.cached_tokens = Values(names.CACHED_TOKENS)
        self.generated_tokens = Values(names.GENERATED_TOKENS)
        self.drafted_tokens = Values(names.DRAFTED_TOKENS)
        self.accepted_tokens = Values(names.ACCEPTED_TOKENS)
        self.kv_tokens = Values(names.KV_TOKENS)
        self.kv_capacity_tokens = Values(names.KV_CAPACITY_TOKENS)
        self.engine_crashes = Values(names.ENGINE_CRASHES)
        self.model_in_flight = Values(names.MODEL_IN_FLIGHT)
        self.model_ready = Values(names.MODEL_READY)
        self.replica_ready = Values(names.REPLICA_READY)
        self.replica_ejected = Values(names.REPLICA_EJECTED)
        self.replica_ejections = Values(names.REPLICA_EJECTIONS)
        self.replica_in_flight = Values(names.REPLICA_IN_FLIGHT)
        self.retries = Values(names.RETRIES)
        self.load_seconds = Values(names.LOAD_SECONDS)
        self.proof = Values(names.PROOF)
        self.route_weight = Values(names.ROUTE_WEIGHT)
        self.rollout_state = Values(names.ROLLOUT_STATE)
        self.config_loaded = Values(names.CONFIG_LOADED)
        self.config_broken = Values(names.CONFIG_BROKEN)
        self.config_failures = Values(names.CONFIG_FAILURES)
        self.certificate_expires = Values(names.CERTIFICATE_EXPIRES)
        self.certificate_failures = Values(names.CERTIFICATE_FAILURES)
        self.shadowed = Values(names.SHADOWED)
        self.shadow_dropped = Values(names.SHADOW_DROPPED)
        self.shadow_failed = Values(names.SHADOW_FAILED)
        self.shadow_differed = Values(names.SHADOW_DIFFERED)
        self._build = Values(names.BUILD_INFO)
        self._build.of(version).set(1.0)
        self._registry = _registry(self._families, process)

    def route(self, path: str) -> RouteMetrics:
        """The instruments of the route at `path` (its pattern, so that their number stays bounded)."""
        return RouteMetrics(path, self.requests, self.request_seconds, self.first_frame_seconds)

    def routed(self, route: str, model: str) -> RoutedMetrics:
        """The instruments of a model's answers to requests for a route."""
        return RoutedMetrics(route, model, self)

    def model(self, model: str) -> ModelMetrics:
        """The instruments of the model with this id."""
        return ModelMetrics(model, self)

    def forget(self, model: str) -> None:
        """Drop the gauges of a model that is gone."""
        for gauges in (self.model_ready, self.model_in_flight, self.proof, self.replica_ready, self.replica_ejected):
            gauges.forget(model)
        self.replica_in_flight.forget(model)

    def gauge(self, metric: names.Metric, read: Callable[[], float]) -> None:
        """Export a gauge without labels that is read when somebody scrapes."""
        self._registry.register(_Families(lambda: [_read_gauge(metric, read)]))

    def values(self, metric: names.Metric) -> Values:
        """Counters or gauges that are exported from now on, for whoever is not part of every process."""
        made = Values(metric)
        self._registry.register(_Families(lambda: [made.family()]))
        return made

    def exposition(self, accept: str = "", shows: Shows | None = None) -> tuple[bytes, str]:
        """All series in the format that the scraper's `Accept` header asks for, and its content type; with `shows`,
        those whose labels it is true of.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry if shows is None else _shown(self._registry.collect(), shows)), content_type

    def _families(self) -> Iterable[Family]:
        for family in vars(self).values():
            if isinstance(family, Values | Histograms):
                yield family.family()


def _registry(families: Callable[[], Iterable[Family]], process: bool) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    if process:
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
    gpus = GpuCollector.if_any()
    if gpus is not None:
        registry.register(gpus)
    return registry


def _shown(families: Iterable[Family], shows: Shows) -> CollectorRegistry:
    found = []
    for family in families:
        family.samples = [sample for sample in family.samples if shows(sample.labels)]
        if family.samples:
            found.append(family)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(lambda: found))
    return registry


class _Families(Collector):
    """A registry's way to ask for families."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._collect = families

    def collect(self) -> Iterable[Family]:
        return self._collect()


def _read_gauge(metric: names.Metric, read: Callable[[], float]) -> Family:
    values = Values(metric)
    values.of().set(read())
    return values.family()
