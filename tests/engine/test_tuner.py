"""What is fastest here, measured and remembered."""

import threading
from pathlib import Path

import pytest

from freehold.engine.tuner import Tuning, choose, remembered, throughput


class Machine:
    """A trial on clocks of its own: a batch of `budget` takes `fixed + budget x each` seconds on each thread.

    `disturbed` says how much longer the wall clock sees it, as when others use the cores.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fixed: float, each: float, disturbed: float = 1.0) -> None:
        self.fixed, self.each, self.disturbed = fixed, each, disturbed
        self._wall: dict[int, float] = {}
        self._processor = 0.0
        self._lock = threading.Lock()
        monkeypatch.setattr("freehold.engine.tuner.time.perf_counter", self.wall)
        monkeypatch.setattr("freehold.engine.tuner.time.process_time", lambda: self._processor)

    def wall(self) -> float:
        return self._wall.get(threading.get_ident(), 0.0)

    def trial(self, budget: int) -> int:
        took = self.fixed + budget * self.each
        self._wall[threading.get_ident()] = self.wall() + took * self.disturbed
        with self._lock:
            self._processor += took
        return budget


def test_throughput_is_the_sum_over_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads at 100 units in 1.1 s each, at 11 ms of processor time a unit."""
    machine = Machine(monkeypatch, 0.1, 0.01)
    assert throughput(machine.trial, 2, 100, 5.0) == pytest.approx((2 * 100 / 1.1, 0.011))


def test_a_fixed_cost_calls_for_a_large_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run costs much whatever its size, the largest budget wins."""
    machine = Machine(monkeypatch, 1.0, 0.001)
    assert choose(machine.trial, 2, (16, 64, 256)).budget == 256


def test_of_equals_the_smaller_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where size does not matter, the smallest budget answers soonest."""
    machine = Machine(monkeypatch, 0.0, 0.01)
    tuning = choose(machine.trial, 2, (16, 64, 256))
    assert (tuning.threads, tuning.budget, tuning.cpu_s) == (2, 16, pytest.approx(0.01))


def test_a_busy_machine_does_not_change_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others do with the cores shows in the wall clock alone."""
    machine = Machine(monkeypatch, 0.02, 0.001, disturbed=3.0)
    alone = choose(machine.trial, 2, (16, 64, 256))
    assert alone.budget == 256
    assert alone.per_second < 2 / alone.cpu_s


def test_a_tuning_is_measured_once_a_key(tmp_path: Path) -> None:
    """The second start recalls it; another key measures again; a damaged file is measured again."""
    measured: list[int] = []

    def measure() -> Tuning:
        measured.append(1)
        return Tuning(2, 256, 100.0 * len(measured))

    folder = tmp_path / "tuning"
    assert remembered(folder, ["cpu", "digest"], measure) == remembered(folder, ["cpu", "digest"], measure)
    assert len(measured) == 1
    remembered(folder, ["another cpu", "digest"], measure)
    assert len(measured) == 2
    for file in folder.iterdir():
        file.write_text("{")
    remembered(folder, ["cpu", "digest"], measure)
    assert len(measured) == 3


def test_without_a_folder_it_is_measured_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the folder cannot be written, with a warning."""
    tuning = Tuning(1, 16, 1.0)
    assert remembered(None, ["k"], lambda: tuning) == tuning
    assert remembered(Path("/proc/no/such/place"), ["k"], lambda: tuning) == tuning
    assert "cannot be kept" in caplog.text
