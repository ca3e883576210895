"""How far a transfer is."""

import pytest

from freehold.store.registry.meter import Meter, StoppedError


def test_it_says_what_is_there_of_what_is_expected() -> None:
    """Megabytes, with what was kept from earlier; what moved is counted by itself."""
    said: list[str] = []
    meter = Meter("pull m", said.append)
    meter.expect(90_000_000)
    meter.keep(40_000_000)
    meter.move(5_000_000)
    assert said == ["pull m: 45.0 of 90.0 MB"]
    assert meter.moved == 5_000_000


def test_it_does_not_say_it_too_often() -> None:
    """A thousand pieces in a moment are one line."""
    said: list[str] = []
    meter = Meter("pull m", said.append)
    for _ in range(1000):
        meter.move(1)
    assert len(said) < 10
    assert meter.moved == 1000


def test_a_stopped_one_ends_whoever_moves() -> None:
    """The threads of a transfer that has failed end at their next piece."""
    meter = Meter("pull m", print)
    meter.stop()
    with pytest.raises(StoppedError):
        meter.move(1)
