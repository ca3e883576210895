"""Triton's statistics extension: what `GET /v2/models/{model}/stats` answers, field for field as gRPC's messages.

Source: `extension_statistics.md` of Triton's documents. Durations are pairs of how many and how long, in nanoseconds.
"""

import msgspec


class Duration(msgspec.Struct):
    """How many, and how long together in nanoseconds."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        """Count `count` more that took `seconds` together."""
        self.count += count
        self.ns += int(seconds * 1e9)


class InferStatistics(msgspec.Struct):
    """`success` and `fail` span a request from its arrival at the engine to its answer. What is done to inputs and
    outputs around a run is counted in `compute_infer`; `compute_input` and `compute_output` stay 0, as nothing here
    caches answers and both `cache_` fields do."""

    success: Duration = msgspec.field(default_factory=Duration)
    fail: Duration = msgspec.field(default_factory=Duration)
    queue: Duration = msgspec.field(default_factory=Duration)
    compute_input: Duration = msgspec.field(default_factory=Duration)
    compute_infer: Duration = msgspec.field(default_factory=Duration)
    compute_output: Duration = msgspec.field(default_factory=Duration)
    cache_hit: Duration = msgspec.field(default_factory=Duration)
    cache_miss: Duration = msgspec.field(default_factory=Duration)


class BatchStatistics(msgspec.Struct):
    """The runs of one size; `batch_size` in rows."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class ModelStatistics(msgspec.Struct):
    """One version of a model. `last_inference` in milliseconds since 1970; `inference_count` counts rows,
    `execution_count` runs of the model: their quotient is the mean batch."""

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    response_stats: dict[str, int] = {}  # of models that answer in pieces; their frames are not counted here
    batch_stats: list[BatchStatistics] = []
    memory_usage: list[int] = []


class StatisticsAnswer(msgspec.Struct):
    """The answer."""

    model_stats: list[ModelStatistics]
