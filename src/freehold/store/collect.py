"""What nothing refers to is removed: blobs, leftovers of killed writers, folders of artifacts that are gone."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from freehold.errors import FreeholdError
from freehold.store.blobs import PART, Blobs
from freehold.store.folders import ASIDE, Folders
from freehold.store.index import Index
from freehold.store.oci import IMAGE_INDEX, IMAGE_MANIFEST, UNREADABLE, Descriptor, ImageIndex, ImageManifest

PART_KEPT_S = 24 * 3600.0
"""How long an interrupted download may wait for its next try."""
UNUSED_DAYS = 30.0


@dataclass(frozen=True)
class Collected:
    """What was removed, or would be: blobs with their bytes, folders by name, and folders in use that stayed."""

    blobs: int = 0
    bytes: int = 0
    folders: tuple[str, ...] = ()
    in_use: tuple[str, ...] = ()


def sweep(index: Index, blobs: Blobs, folders: Folders, *, plan: bool, unused_days: float) -> Collected:
    """Remove what `index` does not reach; with `plan` only say what. The content lock must be held alone.

    Folders that no process holds go when their artifact is gone, or when none has opened them for `unused_days`.

    Raises FreeholdError, before anything is removed, where a manifest of ours is damaged: what it reaches is unknown.
    """
    live = reached(index, blobs)
    digests = {entry.digest.removeprefix("sha256:") for entry in index.entries}
    gone, in_use = [], []
    for folder in _old(folders.root, digests, unused_days):
        if folders.remove(folder, plan=plan):
            gone.append(folder.name)
        else:
            in_use.append(folder.name)
    dead = [path for path in _entries(blobs.folder) if path.name not in live]
    dead += _leftovers(blobs)
    size = sum(path.stat().st_size for path in dead)
    if not plan:
        for path in dead:
            path.unlink(missing_ok=True)
        for folder in _entries(folders.root):
            if folder.name.startswith(ASIDE):
                shutil.rmtree(folder, ignore_errors=True)
    return Collected(len(dead), size, tuple(gone), tuple(in_use))


def reached(index: Index, blobs: Blobs) -> set[str]:
    """The names of the files in `blobs/sha256` that the index reaches. Raises as `Blobs.read`, `store_damaged`."""
    live: set[str] = set()
    for digest in index.own_roots:
        live |= _of_manifest(digest, read_image(blobs, digest))
    for descriptor in index.others:
        live |= _of_foreign(descriptor, blobs)
    return live


def read_image(blobs: Blobs, digest: str) -> ImageManifest:
    """A manifest among the blobs. Raises as `Blobs.read`, and `store_damaged` for what is no manifest."""
    try:
        return msgspec.json.decode(blobs.read(digest), type=ImageManifest)
    except UNREADABLE as error:
        raise FreeholdError("store_damaged", path=blobs.path(digest), reason=str(error)) from error


def _of_manifest(digest: str, image: ImageManifest) -> set[str]:
    named = (digest, image.config.digest, *(layer.digest for layer in image.layers))
    return {one.partition(":")[2] for one in named}


def _of_foreign(descriptor: Descriptor, blobs: Blobs) -> set[str]:
    """What another tool's manifest reaches; one that cannot be read reaches itself."""
    own = {descriptor.digest.partition(":")[2]}
    try:
        if descriptor.media_type == IMAGE_MANIFEST:
            return own | _of_manifest(descriptor.digest, read_image(blobs, descriptor.digest))
        if descriptor.media_type == IMAGE_INDEX:
            nested = msgspec.json.decode(blobs.read(descriptor.digest), type=ImageIndex)
            return own.union(*(_of_foreign(one, blobs) for one in nested.manifests))
    except (FreeholdError, *UNREADABLE):
        return own
    return own


def _old(root: Path, digests: set[str], unused_days: float) -> list[Path]:
    limit = time.time() - unused_days * 86_400
    kept = (path for path in _entries(root) if not path.name.startswith("."))
    return [path for path in kept if path.name not in digests or path.stat().st_mtime < limit]


def _leftovers(blobs: Blobs) -> list[Path]:
    """What writers left that were killed; interrupted downloads stay for a while."""
    limit = time.time() - PART_KEPT_S
    asides = [path for name in ("index.json", "oci-layout") for path in blobs.root.glob(f".{name}.*")]
    return [
        *(path for path in _entries(blobs.incoming) if path.suffix != PART or path.stat().st_mtime < limit),
        *asides,
    ]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
