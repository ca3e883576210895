"""Artifacts as folders that engines open: made from verified blobs, and held for as long as this process lives."""

import errno
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from freehold.artifact import Artifact, Manifest
from freehold.artifact.artifact import MANIFEST, sync_folder
from freehold.errors import FreeholdError
from freehold.store.blobs import Blobs
from freehold.store.locks import lies_at, try_exclusive, try_shared

ASIDE = ".making-"
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES})
_POLL_S = 0.02


class Folders:
    """One folder an artifact under `root`, by the hex of its digest. Its files are hard links to blobs, or copies.

    A folder that was handed out is held (a shared lock on it) until the process ends: nobody removes it meanwhile.
    """

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self.root = root
        self._blobs = blobs
        self._held: dict[Path, int] = {}

    def open(self, digest: str, manifest: Manifest) -> Path:
        """The folder of an artifact: made now where there is none, else checked by its files' sizes.

        The store's content lock must be held. Raises `store_blob_missing`, `store_blob_corrupt`, `store_full`,
        `store_unwritable`.
        """
        target = self.root / digest.removeprefix("sha256:")
        if target in self._held and lies_at(self._held[target], target) and _usable(target, digest):
            return target
        while True:
            if not _usable(target, digest):
                self._make(target, digest, manifest)
            held = self._hold(target)
            if held is not None:
                before = self._held.pop(target, None)
                if before is not None:
                    os.close(before)
                self._held[target] = held
                return target
            time.sleep(_POLL_S)

    def keep(self, target: Path) -> bool:
        """Hold any folder, used now, until this process ends; False where it is being removed."""
        if target not in self._held:
            held = self._hold(target)
            if held is None:
                return False
            self._held[target] = held
        return True

    def remove(self, target: Path, *, plan: bool = False) -> bool:
        """Remove a folder that nobody holds; False where somebody does. With `plan` only say which."""
        try:
            held = try_exclusive(target)
        except FileNotFoundError:
            return True
        if held is None:
            return False
        if plan:
            os.close(held)
            return True
        try:
            gone = target.with_name(f"{ASIDE}{target.name}-{os.getpid()}")
            target.rename(gone)  # whoever comes now finds no folder, rather than half of one
        finally:
            os.close(held)
        shutil.rmtree(gone)
        return True

    def close(self) -> None:
        """Let go of every folder."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def _make(self, target: Path, digest: str, manifest: Manifest) -> None:
        size = sum(entry.size for entry in manifest.files.values())
        with self._blobs.errors(size):
            self.root.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(dir=self.root, prefix=ASIDE))
        try:
            with self._blobs.errors(size):
                for name, entry in manifest.files.items():
                    self._place(f"sha256:{entry.sha256}", aside / name)
                self._place(digest, aside / MANIFEST)
                aside.chmod(0o755)
                sync_folder(aside)
                self._put(aside, target, digest)
                sync_folder(self.root)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _place(self, digest: str, path: Path) -> None:
        blob = self._blobs.verify(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(blob, path)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            shutil.copyfile(blob, path)
            with path.open("rb") as copy:
                os.fsync(copy.fileno())

    @staticmethod
    def _put(aside: Path, target: Path, digest: str) -> None:
        """Rename into place. Another process may have come first, or what is there may be damaged."""
        for _ in range(2):
            try:
                aside.rename(target)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if _usable(target, digest):
                return
            broken = Path(tempfile.mkdtemp(dir=target.parent, prefix=ASIDE))
            target.rename(broken)
            shutil.rmtree(broken, ignore_errors=True)

    @staticmethod
    def _hold(target: Path) -> int | None:
        """A descriptor that holds `target`, noted as used now; None where it was removed meanwhile."""
        try:
            descriptor = try_shared(target)
        except FileNotFoundError:
            return None
        if descriptor is None:
            return None
        if not lies_at(descriptor, target):
            os.close(descriptor)
            return None
        with suppress(OSError):  # a folder that may only be read
            os.utime(descriptor)
        return descriptor


def _usable(target: Path, digest: str) -> bool:
    try:
        return Artifact.open(target).digest == digest
    except FreeholdError:
        return False
