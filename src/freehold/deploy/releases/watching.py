"""What came of the requests of two versions while they share them, by the gateway's own metrics. Pure.

A step is judged by the difference of two scrapes, as a rollout on one gateway is by its tally:
`rollouts.rollout.fault`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from freehold.config import Deploy
from freehold.deploy.releases.staging import Move
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.rollout import Limits, fault
from freehold.gateway.rollouts.tally import Counts
from freehold.telemetry import names

CLIENT_LEFT = "499"


@dataclass(frozen=True)
class Answers:
    """What one model answered since its gateway started: by status, and of the durations, cumulated by upper bound."""

    statuses: Mapping[str, float]
    within_s: Mapping[float, float]


@dataclass(frozen=True)
class Scrape:
    """One look at the gateway's metrics, those of all its copies: by model its answers, and its requests in flight."""

    answers: Mapping[str, Answers]
    in_flight: Mapping[str, float]

    @classmethod
    def of(cls, text: str) -> "Scrape":
        """What Prometheus' text format says. Raises ValueError where it is not that."""
        statuses: dict[str, dict[str, float]] = {}
        within: dict[str, dict[float, float]] = {}
        in_flight: dict[str, float] = {}
        for sample in _samples(text):
            model = sample.labels.get("model", "")
            if sample.name == names.ROUTED.name:
                of_model, status = statuses.setdefault(model, {}), sample.labels["status"]
                of_model[status] = of_model.get(status, 0.0) + sample.value
            elif sample.name == f"{names.ROUTED_SECONDS.name}_bucket":
                bounds, bound = within.setdefault(model, {}), float(sample.labels["le"])
                bounds[bound] = bounds.get(bound, 0.0) + sample.value
            elif sample.name == names.MODEL_IN_FLIGHT.name:
                in_flight[model] = in_flight.get(model, 0.0) + sample.value
        models = statuses.keys() | within.keys()
        return cls({model: Answers(statuses.get(model, {}), within.get(model, {})) for model in models}, in_flight)


def counted(model: str, begun: Scrape, now: Scrape) -> Counts:
    """What `model` answered between two scrapes; where the gateway was started again between them, since then."""
    nothing = Answers({}, {})
    before, after = begun.answers.get(model, nothing), now.answers.get(model, nothing)
    if any(after.statuses.get(status, 0.0) < count for status, count in before.statuses.items()):
        before = nothing
    counts = Counts()
    for status, total in after.statuses.items():
        count = round(total - before.statuses.get(status, 0.0))
        if status != CLIENT_LEFT:
            counts.requests += count
            counts.errors += count if status == "0" or status >= "500" else 0
            counts.refused += count if "400" <= status < "500" else 0
    for (lower, less), (upper, more) in pairwise([(0.0, 0.0), *_between(before, after)]):
        _spread(counts, lower, upper, round(more - less))
    return counts


def judged(move: Move, settings: Deploy, begun: Scrape, now: Scrape) -> FreeholdError | None:
    """What is wrong with the version that comes, by what it answered since `begun`; None where nothing is."""
    limits = Limits(errors=settings.max_errors, p99_times=settings.max_p99)
    return fault(limits, move.coming, counted(move.coming, begun, now), counted(move.model, begun, now))


def _between(before: Answers, after: Answers) -> Iterable[tuple[float, float]]:
    return ((bound, count - before.within_s.get(bound, 0.0)) for bound, count in sorted(after.within_s.items()))


def _spread(counts: Counts, lower: float, upper: float, requests: int) -> None:
    """Durations of which only the bucket is known, evenly within it, as Prometheus' histogram_quantile has them."""
    if upper == float("inf"):
        counts.took(lower, requests)
        return
    for place in range(requests):
        counts.took(lower + (upper - lower) * (place + 0.5) / requests)


def _samples(text: str) -> Iterable[Sample]:
    return (sample for family in text_string_to_metric_families(text) for sample in family.samples)
