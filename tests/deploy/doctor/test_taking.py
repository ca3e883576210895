"""Taking a snapshot: every fact by itself."""

import json
import threading
from pathlib import Path

import pytest

from freehold.deploy.doctor.reading import UnreadableError
from freehold.deploy.doctor.snapshot import Snapshot
from freehold.deploy.doctor.taking import Asked, gather, readers, take


def refuse() -> None:
    raise UnreadableError("no such thing")


def test_this_machines_snapshot_is_whole(tmp_path: Path) -> None:
    """Each fact is there or has its reason, and all of it is JSON."""
    asked = Asked(tmp_path, ports=(), hosts=())
    document = take(asked)
    assert document["facts"].keys() | document["unknown"].keys() == readers(asked).keys()
    assert Snapshot.parse(json.dumps(document)).text("kernel")
    assert {"cpu", "memory", "disk", "disk_speed", "os", "limits", "clock"} <= document["facts"].keys()


def test_a_fact_that_fails_spoils_no_other() -> None:
    """Whatever its reader meets; the reason is kept."""
    found = gather({"good": lambda: 1, "gone": refuse, "strange": lambda: {}["x"], "zero": lambda: 1 / 0}, 5.0)
    assert found["facts"] == {"good": 1}
    assert found["unknown"] == {"gone": "no such thing", "strange": "'x'", "zero": "division by zero"}


def test_a_fact_that_hangs_is_left_behind() -> None:
    """The others are there, and it is unknown, also when it comes in afterwards."""
    release = threading.Event()
    found = gather({"hangs": lambda: release.wait(20), "good": lambda: 2}, 0.2)
    release.set()
    assert found == {"facts": {"good": 2}, "unknown": {"hangs": "took more than 0.2 s"}}


def test_state_is_kept_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FREEHOLD_HOME, else the home folder, else, for a user who has none, here."""
    assert Asked.by({"FREEHOLD_HOME": "/app/data"}).folder == Path("/app/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Asked.by({}).folder == tmp_path / ".freehold"
    assert Asked.by({}).ports == (8080,)
