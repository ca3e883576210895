"""What came of requests, by a gateway's own metrics."""

import pytest

from freehold.deploy.releases.staging import moves
from freehold.deploy.releases.watching import Scrape, counted, judged
from freehold.telemetry import Telemetry
from tests.deploy.world import deployment

OLD, NEW = deployment("fp32"), deployment("bf16", max_errors=0.01, max_p99=2.0)
(MOVE,) = moves(OLD, NEW)


class Gateway:
    """The counters of a gateway, fed as it feeds them."""

    def __init__(self) -> None:
        self.telemetry = Telemetry(process=False)

    def answer(self, model: str, status: int = 200, seconds: float = 0.01, times: int = 1, route: str = "a") -> None:
        """So many requests for `route` were answered by `model`."""
        metrics = self.telemetry.routed(route, model)
        for _ in range(times):
            metrics.observe(status, seconds)

    def scrape(self) -> Scrape:
        """What its /metrics says."""
        return Scrape.of(self.telemetry.exposition()[0].decode())


def test_answers_between_two_scrapes_are_counted() -> None:
    """Of all routes; who left says nothing of the model, what was cut short is an error."""
    gateway = Gateway()
    gateway.answer("a", times=5)
    begun = gateway.scrape()
    gateway.answer("a", times=90)
    gateway.answer("a", 500, times=2, route="chat")
    gateway.answer("a", 0)
    gateway.answer("a", 422, times=3)
    gateway.answer("a", 499, times=4)
    counts = counted("a", begun, gateway.scrape())
    assert (counts.requests, counts.errors, counts.refused) == (96, 3, 3)
    assert counts.p99_s == pytest.approx(0.01, rel=0.5)


def test_a_gateway_that_started_again_counts_from_nothing() -> None:
    """Its counters are lower than they were."""
    before, after = Gateway(), Gateway()
    before.answer("a", times=50)
    after.answer("a", times=7)
    assert counted("a", before.scrape(), after.scrape()).requests == 7


def test_a_model_that_was_never_asked_has_no_answers() -> None:
    """And is judged by nothing."""
    nothing = Gateway().scrape()
    assert counted("a", nothing, nothing).requests == 0
    assert judged(MOVE, NEW.settings, nothing, nothing) is None


@pytest.mark.parametrize(
    ("status", "seconds", "code"),
    [(200, 0.01, None), (503, 0.01, "rollout_errors"), (200, 0.2, "rollout_slow"), (404, 0.01, "rollout_refuses")],
)
def test_a_new_version_is_judged_beside_the_old_one(status: int, seconds: float, code: str | None) -> None:
    """By its errors, by what it refuses, and by the slowest of a hundred answers."""
    gateway = Gateway()
    begun = gateway.scrape()
    gateway.answer(MOVE.model, times=200)
    gateway.answer(MOVE.coming, times=150)
    gateway.answer(MOVE.coming, status, seconds, times=50)
    found = judged(MOVE, NEW.settings, begun, gateway.scrape())
    assert (None if found is None else found.code) == code


def test_requests_in_flight_are_those_of_all_copies() -> None:
    """A cluster's gateways answer one after another."""
    gateway = Gateway()
    gateway.telemetry.model("a").in_flight.set(2.0)
    text = gateway.telemetry.exposition()[0].decode()
    assert Scrape.of(text + text).in_flight["a"] == 4.0
