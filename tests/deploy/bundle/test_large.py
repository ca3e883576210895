"""A bundle as large as Dify's own images, made and loaded by processes that are killed again and again."""

import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.bundle.creating import Creation
from freehold.deploy.bundle.loading import ToRegistry
from freehold.deploy.bundle.reading import Bundle
from freehold.store.http_client import open_client

from .made import IMPATIENT, KEY, Site

COUNT, SIZE = 10, 200_000_000  # images, and bytes of each
KILLS, LONGEST_S = 10, 6.0
MOST_MB = 100
"""Of memory, however large the images are: a few blocks for each of those that come side by side."""


def unheard(_: str) -> None:
    """What is told on the way."""


def own_mb(name: str) -> float:
    """Of this process: `VmRSS` now, `VmHWM` at most."""
    return int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


def in_a_process(work: Callable[[], object], seconds: float | None, told: Path) -> float:
    """Do it in another process, which is killed after `seconds`; what of memory it took at most, in MB, 0 if killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            Path("/proc/self/clear_refs").write_text("5")
            before = own_mb("VmRSS")
            work()
            told.write_text(str(own_mb("VmHWM") - before))
            code = 0
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    code = os.waitpid(child, 0)[1]
    assert code in (0, signal.SIGKILL)
    return float(told.read_text()) if code == 0 else 0.0


@pytest.mark.soak
def test_what_is_killed_goes_on_and_memory_stays_small(site: Site, closed: str, tmp_path: Path) -> None:
    """No bundle is there before it is whole, and in the end the registry has every digest."""
    rng, told, output = random.Random(1), tmp_path / "told", tmp_path / "bundle.tar"
    digests = [site.push(f"large/image-{number}", "1", f"{number:09}", size=SIZE) for number in range(COUNT)]
    names = [f"large/image-{number}:1" for number in range(COUNT)]

    def create() -> None:
        with open_client(Network(), {}) as client:
            here = Site(site.registry, client, site.root, site.store)
            Creation.begin(here.wanted(*names), output, site.store.blobs, None).create(KEY, unheard)

    def load() -> None:
        with open_client(Network(), {}) as client:
            bundle = Bundle.open(output)
            bundle.verify(unheard)
            lock = ToRegistry(closed, client, {}, patience=IMPATIENT).bring(bundle, unheard)
            assert lock == {f"{closed}/{name}": digest for name, digest in zip(names, digests, strict=True)}

    for work in (create, load):
        for _ in range(KILLS):
            in_a_process(work, rng.uniform(0, LONGEST_S), told)
            if output.exists():
                Bundle.open(output).verify(unheard)
        assert in_a_process(work, None, told) < MOST_MB
    for name, digest in zip(names, digests, strict=True):
        found = Site(closed, site.client, site.root, site.store).repository(name.partition(":")[0]).manifest("1")
        assert found is not None
        assert found.digest == digest
