"""What a version of a model did, added up."""

import time

from freehold.protocol.oip_statistics import Duration
from freehold.server.statistics import Statistics


def test_rows_and_runs_are_counted_apart() -> None:
    """Their quotient is the mean batch; each size of batch has its own sum, in order."""
    statistics = Statistics()
    begun = int(time.time() * 1000)
    statistics.ran(4, 0.5, (0.1, 0.2), inferences=4)
    statistics.ran(1, 0.25, (0.0,), inferences=1)
    statistics.ran(4, 0.5, (0.1,), inferences=4)
    told = statistics.told("m", "2")
    assert (told.name, told.version) == ("m", "2")
    assert (told.inference_count, told.execution_count) == (9, 3)
    assert told.last_inference >= begun
    assert [(batch.batch_size, batch.compute_infer) for batch in told.batch_stats] == [
        (1, Duration(1, 250_000_000)),
        (4, Duration(2, 1_000_000_000)),
    ]
    assert told.inference_stats.queue == Duration(4, 400_000_000)
    assert told.inference_stats.compute_infer == Duration(4, 1_750_000_000)


def test_a_step_of_generation_counts_the_answers_that_enter() -> None:
    """Rows that go on are runs and no inferences, or an answer would count by its tokens."""
    statistics = Statistics()
    statistics.ran(1, 0.1, (0.1,), inferences=1)
    statistics.ran(3, 0.1, (), inferences=0)
    told = statistics.told("m", "1")
    assert (told.inference_count, told.execution_count) == (1, 2)
    assert told.inference_stats.compute_infer.count == 1


def test_requests_end_well_or_not() -> None:
    """Both are counted with the time that they took."""
    statistics = Statistics()
    statistics.succeeded(1)
    statistics.failed(2)
    told = statistics.told("m", "1").inference_stats
    assert (told.success, told.fail) == (Duration(1, 10**9), Duration(1, 2 * 10**9))
