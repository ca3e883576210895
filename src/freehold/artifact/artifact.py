"""An artifact on disk: a folder whose manifest pins every file in it."""

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from freehold.artifact.manifest import SCHEMA, FileEntry, Manifest
from freehold.errors import FreeholdError

MANIFEST = "manifest.json"
TENSORRT = "model.tensorrt.onnx"
"""The graph of an artifact that was compiled: one node that stands for the TensorRT engine beside it."""
SIGNATURES = "signatures"
"""The folder of an artifact's signatures, which are about its manifest and so no part of it."""

LONGEST_NAME = 255  # bytes of one part of a path, on every usual file system
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Of an OSError: there is no room for what was to be written."""


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Artifact:
    """A folder with `manifest.json`; `digest` is "sha256:<hex>" of the manifest's bytes."""

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def open(cls, path: Path) -> "Artifact":
        """Read the manifest and check that its files are there with their sizes (their digests: `check_files`).

        Raises FreeholdError `artifact_invalid` or `artifact_corrupt`.
        """
        try:
            raw = (path / MANIFEST).read_bytes()
            manifest = msgspec.json.decode(raw, type=Manifest)
        except OSError as error:
            raise FreeholdError("artifact_invalid", path=path, reason=error.strerror or str(error)) from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FreeholdError("artifact_invalid", path=path, reason=f"{MANIFEST}: {error}") from error
        if reason := unfit(manifest):
            raise FreeholdError("artifact_invalid", path=path, reason=reason)
        for name, entry in manifest.files.items():
            file = path / name
            if not file.resolve().is_relative_to(path.resolve()):
                raise FreeholdError("artifact_invalid", path=path, reason=_not_within(name))
            size = file.stat().st_size if file.is_file() else -1
            if size != entry.size:
                found = f"{size} bytes" if size >= 0 else "no file"
                raise FreeholdError(
                    "artifact_corrupt", path=path, file=name, expected=f"{entry.size} bytes", found=found
                )
        return cls(path, manifest, f"sha256:{hashlib.sha256(raw).hexdigest()}")

    @property
    def graph(self) -> Path:
        """The ONNX file, in the form that is fastest in ONNX Runtime on a processor."""
        return self.path / "model.onnx"

    def graph_for(self, device: str) -> Path:
        """The graph over the same weights for `device`: its own dialect, else standard operators, else `graph`."""
        portable = ("model.portable.onnx",)
        dialects = {"cpu": (), "cuda": ("model.cuda.onnx",), "tensorrt": (TENSORRT, *portable)}.get(device, portable)
        return next((self.path / name for name in dialects if (self.path / name).is_file()), self.graph)

    @property
    def tokenizer(self) -> Path:
        """The `tokenizer.json`; text kinds have one."""
        return self.path / "tokenizer.json"

    @property
    def goldens(self) -> Path:
        """The folder of its golden files."""
        return self.path / "goldens"

    def check_files(self) -> None:
        """Hash every file. Raises FreeholdError `artifact_corrupt` at the first that differs."""
        for name, entry in self.manifest.files.items():
            found = sha256_of(self.path / name)
            if found != entry.sha256:
                raise FreeholdError(
                    "artifact_corrupt", path=self.path, file=name, expected=entry.sha256[:12], found=found[:12]
                )


def unfit(manifest: Manifest) -> str:
    """Why this version may not go by a manifest, for a message, or "". One may come from anywhere."""
    if manifest.schema != SCHEMA:
        return f"schema {manifest.schema}, this version reads {SCHEMA}"
    stray = stray_names(manifest)
    return _not_within(stray[0]) if stray else ""


def stray_names(manifest: Manifest) -> list[str]:
    """File names that lead out of the artifact's folder, or to what is not one of its files: another's doing.

    Whoever writes files by the names of a manifest that came from elsewhere looks here first.
    """
    return [name for name in manifest.files if not _is_file_name(name)]


def _not_within(name: str) -> str:
    return f"{name[:80]!r} is no name of a file in its folder"


def _is_file_name(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name.isprintable() and path.as_posix() == name and not path.is_absolute()
    short = all(len(part.encode()) <= LONGEST_NAME for part in path.parts)
    return plain and short and ".." not in path.parts and path.parts[:1] not in ((), (MANIFEST,), (SIGNATURES,))


def unpinned(artifact: Artifact) -> set[str]:
    """What lies in an artifact's folder and is not in its manifest; a link to a folder is such a thing too."""
    within = (file for file in artifact.path.rglob("*") if file.is_file() or file.is_symlink())
    names = {str(file.relative_to(artifact.path)) for file in within}
    signatures = {name for name in names if name.startswith(f"{SIGNATURES}/")}
    return names - signatures - artifact.manifest.files.keys() - {MANIFEST}


def file_entries(path: Path) -> dict[str, FileEntry]:
    """Entries for every file under `path` but the manifest and signatures of it, in name order."""
    return {
        str(file.relative_to(path)): file_entry(file)
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != MANIFEST and path / SIGNATURES not in file.parents
    }


def file_entry(file: Path) -> FileEntry:
    """The entry of one file."""
    return FileEntry(sha256_of(file), file.stat().st_size)


def write_manifest(path: Path, manifest: Manifest) -> Artifact:
    """Pin the files that lie in `path` now into `manifest`, write it durably, and open the result."""
    return rewrite_manifest(path, msgspec.structs.replace(manifest, files=file_entries(path)))


def rewrite_manifest(path: Path, manifest: Manifest) -> Artifact:
    """Write `manifest` over the files that it pins already, which are not read again, and open the result."""
    write_durably(path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return Artifact.open(path)


def write_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write aside, fsync, rename, fsync the folder: readers see the old bytes or the new ones, also after a crash.

    `mode` is cut by the umask, as everywhere.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "wb", opener=partial(os.open, mode=mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """The same file under another name where the disk is the same, else a copy. Raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
