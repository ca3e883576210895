"""What one loaded version of a model did, for Triton's statistics extension over REST and gRPC."""

import time
from collections.abc import Sequence

from freehold.protocol.oip_statistics import BatchStatistics, Duration, InferStatistics, ModelStatistics


class Statistics:
    """Sums since the load. Fed from the event loop only, hence without locks."""

    __slots__ = ("_batches", "_executions", "_inferences", "_last_s", "_requests")

    def __init__(self) -> None:
        self._last_s = 0.0
        self._inferences = 0
        self._executions = 0
        self._requests = InferStatistics()
        self._batches: dict[int, Duration] = {}

    def succeeded(self, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.success.add(seconds)

    def failed(self, seconds: float) -> None:
        """Count a request that was not, for whatever reason."""
        self._requests.fail.add(seconds)

    def ran(self, rows: int, compute_s: float, queued_s: Sequence[float], *, inferences: int) -> None:
        """Count one run of `rows` rows, whose parts had waited `queued_s` seconds each.

        `inferences` are those that it counts for: the rows of a batch; of a step of generation the answers that enter.
        """
        self._last_s = time.time()
        self._inferences += inferences
        self._executions += 1
        parts = len(queued_s)
        self._requests.queue.add(sum(queued_s), parts)
        self._requests.compute_infer.add(compute_s * parts, parts)
        batch = self._batches.get(rows)
        if batch is None:
            batch = self._batches[rows] = Duration()
        batch.add(compute_s)

    def told(self, name: str, version: str) -> ModelStatistics:
        """As a client reads them."""
        return ModelStatistics(
            name,
            version,
            int(self._last_s * 1000),
            self._inferences,
            self._executions,
            self._requests,
            batch_stats=[
                BatchStatistics(rows, Duration(batch.count), batch, Duration(batch.count))
                for rows, batch in sorted(self._batches.items())
            ],
        )
