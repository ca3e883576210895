"""What `models gc` removes beside the store: written graphs and prepacked weights that nobody uses any more."""

import re
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from freehold.artifact import Artifact
from freehold.errors import FreeholdError
from freehold.store.folders import ASIDE, Folders
from freehold.store.locks import take

_GRAPHS = re.compile(r"[0-9a-f]{64}")
_FAMILY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Swept:
    """What was removed, or would be: folders under the cache, with their bytes; and those in use that stayed."""

    folders: tuple[str, ...]
    bytes: int
    in_use: tuple[str, ...]


def sweep_caches(
    cache: Path, folders: Folders, kept: Collection[str], *, gone: Collection[str], plan: bool, unused_days: float
) -> Swept:
    """Remove graphs that no process holds and none has opened for `unused_days`, and prepacked weights without a use.

    `kept` and `gone` are digests of artifacts that are in the store, and that just left it. Prepacked weights of kept
    artifacts and of kept graphs stay; those of `gone` go, others when they are older than `unused_days`: what runs
    has them mapped and keeps them, and a start that misses them writes them again.
    """
    limit = time.time() - unused_days * 86_400
    removed: list[Path] = []
    in_use: list[str] = []
    size = 0
    for graph in _folders(cache / "graphs", _GRAPHS):
        if graph.stat().st_mtime < limit:
            weighed = _bytes(graph)
            if folders.remove(graph, plan=plan):
                removed.append(graph)
                size += weighed
            else:
                in_use.append(str(graph.relative_to(cache)))
    used = {_family(digest) for digest in kept} | {
        _family(digest) for digest in _digests(cache / "graphs", exclude=removed)
    }
    dead = {_family(digest) for digest in gone}
    for family in _folders(cache / "prepacked", _FAMILY):
        if family.name in used or (family.name not in dead and family.stat().st_mtime >= limit):
            continue
        weighed = _bytes(family)
        if plan or _remove_family(family):
            removed.append(family)
            size += weighed
    if not plan:
        for left in (cache / "graphs").glob(f"{ASIDE}*"):
            shutil.rmtree(left, ignore_errors=True)
    return Swept(tuple(str(path.relative_to(cache)) for path in removed), size, tuple(in_use))


def _family(digest: str) -> str:
    """The folder of an artifact's prepacked weights, as `engine.prepacked` names it."""
    return digest.removeprefix("sha256:")[:32]


def _digests(graphs: Path, exclude: list[Path]) -> Iterator[str]:
    for graph in _folders(graphs, _GRAPHS):
        if graph not in exclude:
            try:
                yield Artifact.open(graph).digest
            except FreeholdError:
                continue


def _remove_family(family: Path) -> bool:
    """False where a process is writing a copy there."""
    with (family / ".lock").open("w") as lock:
        if not take(lock.fileno()):
            return False
        shutil.rmtree(family, ignore_errors=True)
    return True


def _folders(root: Path, named: re.Pattern[str]) -> list[Path]:
    entries = sorted(root.iterdir()) if root.is_dir() else []
    return [entry for entry in entries if entry.is_dir() and named.fullmatch(entry.name)]


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
