"""Writers that are killed at any point, and writers beside one another."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.store import Store

KILLER = Path(__file__).with_name("killed_writers.py")


def check_kills(root: Path, times: int) -> None:
    """After each kill everything that the store names is whole; at the end nothing is left over."""
    command = [sys.executable, str(KILLER), str(root), str(times)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60 + 3 * times, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["problems"] == []
    assert told["left"] == []
    assert told["moves"] > 1, "children got far enough to change something"


def test_a_killed_writer_never_breaks_the_store(tmp_path: Path) -> None:
    """Twenty children that add, tag, remove, attach, open and collect, each killed at a random moment."""
    check_kills(tmp_path, 20)


@pytest.mark.soak
def test_two_hundred_killed_writers_never_break_the_store(tmp_path: Path) -> None:
    """The same at its full size."""
    check_kills(tmp_path, 200)


ADD_ALL = """
import sys
from pathlib import Path
from freehold.store import Store
store = Store(Path(sys.argv[1]))
for folder in map(Path, sys.argv[2:]):
    store.add(folder, "m")
    store.add(folder, "m", "last")
    store.collect()
"""


def test_processes_that_add_at_once_lose_nothing(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Each artifact gets its own number, whoever was first, and gc takes nothing that is being added."""
    mine = [[make_artifact(f"{who} {number}".encode()) for number in range(2)] for who in range(3)]
    command = [sys.executable, "-c", ADD_ALL, str(store.root)]
    children = [subprocess.Popen([*command, *map(str, folders)]) for folders in mine]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    listed = store.list()
    numbers = sorted(int(stored.tag) for stored in listed if stored.tag.isdecimal())
    assert numbers == list(range(1, 7))
    assert len({stored.digest for stored in listed}) == 6
    assert [stored.tag for stored in listed if not stored.tag.isdecimal()] == ["last"]
    for stored in listed:
        store.path_of(stored)
    assert len(store.history("m", "last")) == 6
