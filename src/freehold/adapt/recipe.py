"""What an artifact is known by before it is written: the digest of everything that shapes it."""

import hashlib
from pathlib import Path
from typing import Protocol

import msgspec

from freehold.adapt.digests import DigestMemo
from freehold.adapt.goldens import weights_digest
from freehold.artifact import Manifest

# Raise it with every change of what is written: older caches are then built anew.
WRITER_VERSION = "8"
TOOL = "freehold.adapt.graphs"


class Plan(Protocol):
    """An artifact that can be written, and is told from others by its digest."""

    @property
    def digest(self) -> str:
        """Hex sha256 of the recipe: equal recipes give equal artifacts."""
        ...

    @property
    def megabytes(self) -> int:
        """About what the artifact takes on disk."""
        ...

    def write(self, folder: Path) -> Manifest:
        """Write every file but the manifest into the empty `folder`. Raises OSError and FreeholdError."""
        ...


def recipe_digest(recipe: msgspec.Struct) -> str:
    """Hex sha256 of all fields. A path enters by its folder's name: its content is in some digest among the fields."""
    return hashlib.sha256(msgspec.json.encode(recipe, order="deterministic", enc_hook=_folder_name)).hexdigest()


def _folder_name(path: object) -> str:
    assert isinstance(path, Path)
    return path.parent.name


def digest_of_weights(root: Path, files: tuple[Path, ...], memo: DigestMemo) -> str:
    """ "sha256:<hex>" of weight files under `root`, as goldens name it. Raises OSError."""
    return weights_digest({str(file.relative_to(root)): memo.sha256(file) for file in files})


def digest_if_there(path: Path, memo: DigestMemo) -> str:
    """Hex sha256 of a file, "" when there is none. Raises OSError."""
    return memo.sha256(path) if path.is_file() else ""


def megabytes(files: tuple[Path, ...]) -> int:
    """Size of `files` together, rounded up."""
    return sum(file.stat().st_size for file in files) // 1_000_000 + 1
