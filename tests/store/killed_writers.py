"""Writes to the store at ROOT in child processes that are killed COUNT times; tells what was found, as JSON."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from freehold.artifact import MadeBy, Manifest, write_manifest
from freehold.config import parse
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.collect import reached

LONGEST_S = 0.12  # of a child: a few times what one step takes


def artifact(folder: Path, content: str) -> Path:
    """An artifact of which two files are shared by all."""
    folder.mkdir(parents=True)
    for name, text in (("model.onnx", content * 5000), ("tokenizer.json", "{}"), ("README.md", "same")):
        (folder / name).write_text(text)
    made_by = MadeBy("test", "1", f"sha256:{'0' * 64}")
    write_manifest(folder, Manifest(1, "m", "tensor", "tensor", "fp32", (), (), made_by, {}))
    return folder


def steps(store: Store, folders: list[Path], rng: random.Random) -> list[Callable[[], object]]:
    """What a child does, in any order, as often as it can."""

    def any_of() -> str:
        return rng.choice([stored.ref for stored in store.list() if stored.name == "m"])

    return [
        lambda: store.add(rng.choice(folders), "m"),
        lambda: store.add(rng.choice(folders), "m", rng.choice("xyz")),
        lambda: store.tag(parse(any_of()), rng.choice("xyz")),
        lambda: store.untag("m", rng.choice("xyz")),
        lambda: store.remove(parse(any_of())),
        lambda: store.attach(store.find(parse(any_of())), "t/report", {"r.json": b"[%d]" % rng.randrange(99)}),
        lambda: store.path_of(store.find(parse(any_of()))),
        lambda: store.collect(untagged=rng.random() < 0.3, unused_days=rng.choice([0, 30])),
    ]


def write(root: Path, folders: list[Path], seed: int) -> None:
    """The life of a child, which only a signal ends."""
    rng = random.Random(seed)
    store = Store(root)
    todo = steps(store, folders, rng)
    while True:
        with suppress(FreeholdError, IndexError):  # a tag that is not there, a store without anything to choose from
            rng.choice(todo)()


def kill(root: Path, folders: list[Path], seed: int, seconds: float) -> None:
    """A child, killed after `seconds`."""
    child = os.fork()
    if child == 0:
        try:
            write(root, folders, seed)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def problems(root: Path, kept: str) -> list[str]:
    """What is wrong: all that the index names must be there, whole, and the history must lead to the tags."""
    store, found = Store(root), []
    try:
        index = store._file.read()
        live = reached(index, store.blobs)
        for name in live:
            store.blobs.verify(f"sha256:{name}")
        listed = store.list()
        if len(listed) != len(index.entries):
            found.append("an artifact is damaged")
        for stored in listed:
            store.path_of(stored)
            store.referrers(stored)
        if store.find(parse("keep:1")).digest != kept:
            found.append("an untouched artifact is another")
        ends = {(move.name, move.tag): move.after for name in ("m", "keep") for move in store.history(name)}
        if {key: after for key, after in ends.items() if after} != index.tags:
            found.append(f"the history leads to {ends}, the tags are {index.tags}")
    except FreeholdError as error:
        found.append(str(error))
    finally:
        store.close()
    return found


def main(root: Path, times: int) -> None:
    """Kill that many children, look after each, and clean up at the end."""
    rng = random.Random(times)
    folders = [artifact(root / f"artifact-{content}", content) for content in "abcd"]
    kept = Store(root / "store").add(folders[0], "keep").digest
    wrong = []
    for number in range(times):
        kill(root / "store", folders, number, rng.uniform(0, LONGEST_S))
        wrong += [f"after {number}: {problem}" for problem in problems(root / "store", kept)]
    store = Store(root / "store")
    store.collect(unused_days=0)
    left = [*store.blobs.incoming.iterdir(), *store.folders.root.iterdir(), *store.root.glob(".*")]
    live = reached(store._file.read(), store.blobs)
    left += [path for path in store.blobs.folder.iterdir() if path.name not in live]
    store.add(folders[1], "m", "after")
    moves = len(store.history("m"))
    print(json.dumps({"problems": wrong, "left": list(map(str, left)), "moves": moves}))  # noqa: T201 - its answer


main(Path(sys.argv[1]), int(sys.argv[2]))
