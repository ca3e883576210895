"""What is fastest here, measured and remembered."""

import threading
from pathlib import Path

import pytest

from freehold.engine.tuner import Tuning, choose, remembered, throughput


class Machine:
    """A trial on a clock of its own: a batch of `budget` takes `fixed + budget x each` seconds on each thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fixed: float, each: float) -> None:
        self.fixed, self.each = fixed, each
        self._now: dict[int, float] = {}
        monkeypatch.setattr("freehold.engine.tuner.time.perf_counter", self.now)

    def now(self) -> float:
        return self._now.get(threading.get_ident(), 0.0)

    def trial(self, budget: int) -> int:
        self._now[threading.get_ident()] = self.now() + self.fixed + budget * self.each
        return budget


def test_throughput_is_the_sum_over_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads at 100 units in 1.1 s each."""
    machine = Machine(monkeypatch, 0.1, 0.01)
    assert throughput(machine.trial, 2, 100, 5.0) == pytest.approx(2 * 100 / 1.1)


def test_a_fixed_cost_calls_for_a_large_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run costs much whatever its size, the largest budget wins."""
    machine = Machine(monkeypatch, 1.0, 0.001)
    assert choose(machine.trial, (1, 2), (16, 64, 256)).budget == 256


def test_of_equals_the_smaller_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where size does not matter, the smallest budget answers soonest."""
    machine = Machine(monkeypatch, 0.0, 0.01)
    tuning = choose(machine.trial, (2,), (16, 64, 256))
    assert (tuning.threads, tuning.budget) == (2, 16)


def test_more_threads_win_where_they_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that do not hinder one another double the speed."""
    machine = Machine(monkeypatch, 0.0, 0.01)
    assert choose(machine.trial, (1, 2), (16,)).threads == 2


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
