"""Where a model folder was fetched from: the note that `freehold fetch` leaves beside its files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from freehold.adapt.documents import read
from freehold.adapt.goldens import weights_digest
from freehold.artifact import Ancestor, FileEntry
from freehold.artifact.artifact import sha256_of, write_durably
from freehold.config import Source

NOTE = "freehold.source.json"


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """`freehold.source.json`: the repository ("hf://org/name"), its commit, and every file that was fetched.

    `asked` is the branch or tag that meant the commit then, "" for the main one.
    """

    uri: str
    revision: str
    asked: str = ""
    license: str = ""
    files: Mapping[str, FileEntry] = {}

    @property
    def digest(self) -> str:
        """ "sha256:<hex>" of the files: of the lines that `sha256sum` prints of them, in name order."""
        return weights_digest({name: entry.sha256 for name, entry in self.files.items()})

    def write(self, folder: Path) -> None:
        """Lay the note into `folder`, durably. Raises OSError."""
        write_durably(folder / NOTE, msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n")


def read_origin(folder: Path) -> Origin | None:
    """The note of a folder as it was written, None where there is none. Raises FreeholdError `model_folder_invalid`."""
    return read(folder / NOTE, Origin) if (folder / NOTE).is_file() else None


def origin_of(folder: Path, sha256: Callable[[Path], str] = sha256_of) -> Ancestor | None:
    """Where the files of `folder` come from; None for one that was not fetched, or was changed since.

    Files that were fetched and then removed change nothing. `sha256` gives a file's hexadecimal digest, so that a
    caller with a memory of digests reads nothing twice. Raises OSError and FreeholdError `model_folder_invalid`.
    """
    origin = read_origin(folder)
    if origin is None or any(_changed(folder / name, entry, sha256) for name, entry in origin.files.items()):
        return None
    return Ancestor("source", origin.uri, origin.digest, origin.revision, origin.license)


def fetched(source: Source, models: Path) -> Path | None:
    """The folder under `models` that a repository was fetched into, at the revision that `source` names if any.

    Raises FreeholdError `model_folder_invalid`.
    """
    origin = read_origin(models / source.name)
    if origin is None or origin.uri != f"{source.kind}://{source.name}":
        return None
    return models / source.name if source.version in ("", origin.asked, origin.revision) else None


def _changed(path: Path, entry: FileEntry, sha256: Callable[[Path], str]) -> bool:
    if not path.is_file():
        return False
    return path.stat().st_size != entry.size or sha256(path) != entry.sha256


def ancestors_of(origin: Ancestor | None) -> tuple[Ancestor, ...]:
    """What a manifest says of the making of an artifact whose source has this origin."""
    return () if origin is None else (origin,)


def license_with(origin: Ancestor | None) -> str:
    """The licence that came with the files, "" where none is known."""
    return "" if origin is None else origin.license
