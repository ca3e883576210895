"""The bench of the door runs, every way of it answers, and its targets read what it says."""

from dataclasses import replace

from bench.door import CROWDED, FULL, OPEN, TARGETS, WAYS, added, measure
from bench.results import Results, Sample


def test_every_way_is_measured() -> None:
    """A few requests: what they cost is for a quiet machine to say."""
    samples = [sample for way in WAYS for sample in measure(replace(way, keys=50), 20, 0)]
    assert [sample.server for sample in samples] == [way.name for way in WAYS]
    assert all(sample.cpu_seconds > 0 for sample in samples)


def test_a_way_costs_what_it_takes_more_than_the_open_door() -> None:
    """Medians of the rounds; without both there is no number."""

    def sample(way: str, cpu_seconds: float) -> Sample:
        return Sample(workload="door", server=way, concurrency=1, round=0, items=10, seconds=1, cpu_seconds=cpu_seconds)

    full, crowd = TARGETS
    assert full.verdict(full.measure(Results())) == crowd.verdict(crowd.measure(Results())) == "not measured"
    times = {OPEN: (1.0, 1.1, 5.0), FULL: (1.3, 1.2, 9.0), CROWDED: (1.3,)}
    results = Results(samples=[sample(way, 1e-4 * cpu) for way, cpus in times.items() for cpu in cpus])
    assert added(results) is not None
    assert round(added(results) or 0.0, 6) == 2.0
    assert full.verdict(full.measure(results)) == crowd.verdict(crowd.measure(results)) == "met"
