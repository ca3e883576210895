"""The form of statistics on the wire."""

import json

import msgspec

from freehold.protocol.oip_statistics import Duration, InferStatistics, ModelStatistics, StatisticsAnswer

FIELDS = ["success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"]


def test_durations_are_counts_and_nanoseconds() -> None:
    """Both add up."""
    duration = Duration()
    duration.add(0.5)
    duration.add(1.5, 3)
    assert duration == Duration(4, 2_000_000_000)


def test_all_fields_are_there_before_the_first_request() -> None:
    """Clients read them without asking whether they are."""
    answer = StatisticsAnswer([ModelStatistics("m", "1", 0, 0, 0, InferStatistics())])
    (told,) = json.loads(msgspec.json.encode(answer))["model_stats"]
    assert list(told["inference_stats"]) == FIELDS
    assert all(told["inference_stats"][field] == {"count": 0, "ns": 0} for field in FIELDS)
    assert (told["batch_stats"], told["memory_usage"], told["response_stats"]) == ([], [], {})
