"""Pulls PLACE into stores under ROOT, killed at random points COUNT times; tells what was found, as JSON."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from freehold.config import Network
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.http_client import open_client
from freehold.store.registry.client import Repository
from freehold.store.registry.pull import Pulled, pull


def pulled(place: str, root: Path) -> Pulled:
    """One pull into the store at `root`."""
    with open_client(Network(), {}) as client:
        return pull(Store(root), Repository(place, client), "1", "m", "1", lambda text: None)


def interrupted(place: str, root: Path, seconds: float) -> bool:
    """Whether a pull in a process of its own was still at work when it was killed after `seconds`."""
    child = os.fork()
    if child == 0:
        try:
            pulled(place, root)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def problems(root: Path) -> list[str]:
    """What is wrong with the store at `root`: whatever it names must be there, whole."""
    store = Store(root)
    found = []
    try:
        for stored in store.list():
            for entry in stored.manifest.files.values():
                store.blobs.verify(f"sha256:{entry.sha256}")
            store.path_of(stored)
        for path in store.blobs.folder.glob("*"):
            store.blobs.verify(f"sha256:{path.name}")
    except FreeholdError as error:
        found.append(str(error))
    return found


def main(place: str, root: Path, times: int) -> None:
    """Measure how long a pull takes, then kill that many within that time."""
    begun = time.monotonic()
    digest = pulled(place, root / "whole").stored.digest
    takes_s = time.monotonic() - begun
    rng = random.Random(7)
    count, wrong = 0, []
    for number in range(times):
        target = root / str(number // 3)  # a store meets several kills
        count += interrupted(place, target, rng.uniform(0, takes_s))
        wrong += problems(target)
        if number % 3 == 2 or number == times - 1:
            if pulled(place, target).stored.digest != digest:
                wrong.append("another digest")
            wrong += problems(target)
    sys.stdout.write(json.dumps({"tries": times, "killed": count, "problems": wrong, "digest": digest}))


main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
