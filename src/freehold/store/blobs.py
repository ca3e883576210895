"""Content by its digest: written aside and renamed, verified whenever it is read."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from freehold.artifact.artifact import FULL, sha256_of, sync_folder
from freehold.errors import FreeholdError
from freehold.store.oci import digest_of

PART = ".part"
"""Suffix of a file in `incoming` that a later try goes on with."""

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_BLOCK = 1 << 20
_SPARE = 1 << 20  # bytes that stay free beside what is written, for the index and its like


class Blobs:
    """`blobs/sha256` under the root of a store, and `incoming`, where new content is written aside.

    Whoever writes blobs holds the store's content lock, shared, until something in the index refers to them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "blobs" / "sha256"
        self.incoming = root / "incoming"

    def path(self, digest: str) -> Path:
        """Where the content of `digest` lies, or would. Raises `store_damaged` for what is no sha256 digest."""
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise FreeholdError("store_damaged", path=self.root, reason=f"{digest!r} is no sha256 digest")
        return self.folder / match[1]

    def has(self, digest: str, size: int) -> bool:
        """Whether the content is here with that size in bytes; its digest was checked when it was written."""
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def read(self, digest: str) -> bytes:
        """The content, verified. Raises `store_blob_missing`, `store_blob_corrupt`, `store_unreadable`."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise FreeholdError("store_blob_missing", digest=digest, path=self.root) from None
        except OSError as error:
            raise FreeholdError("store_unreadable", path=path, reason=error.strerror or str(error)) from error
        if digest_of(data) != digest:
            raise self._corrupt(digest, digest_of(data))
        return data

    def verify(self, digest: str) -> Path:
        """The path of content whose every byte was read. Raises as `read`."""
        path = self.path(digest)
        try:
            found = f"sha256:{sha256_of(path)}"
        except FileNotFoundError:
            raise FreeholdError("store_blob_missing", digest=digest, path=self.root) from None
        except OSError as error:
            raise FreeholdError("store_unreadable", path=path, reason=error.strerror or str(error)) from error
        if found != digest:
            raise self._corrupt(digest, found)
        return path

    def put(self, data: bytes) -> str:
        """Write `data` where it is not there yet; its digest. Raises `store_full`, `store_unwritable`."""
        digest = digest_of(data)
        if not self.has(digest, len(data)):
            with self.writing(len(data)) as file:
                file.write(data)
                self.keep(file, digest)
        return digest

    def copy(self, source: Path, digest: str, size: int) -> None:
        """Take in a file of `size` bytes whose digest should be `digest`, reading it once.

        Raises `artifact_corrupt` where the file is another, `artifact_invalid` where it cannot be read, `store_full`,
        `store_unwritable`.
        """
        with nullcontext() if self.has(digest, size) else self.writing(size) as file:
            summed = hashlib.sha256()
            for block in _blocks(source):
                summed.update(block)
                if file is not None:
                    file.write(block)
            found = f"sha256:{summed.hexdigest()}"
            if found != digest:
                raise FreeholdError(
                    "artifact_corrupt", path=source.parent, file=source.name, expected=digest[7:19], found=found[7:19]
                )
            if file is not None:
                self.keep(file, digest)

    @contextmanager
    def writing(self, size: int) -> Iterator[IO[bytes]]:
        """A new file in `incoming` for `size` bytes, gone afterwards unless `keep` took it.

        Raises `store_full` before anything is written where there is no room, `store_unwritable`.
        """
        with self.errors(size):
            if shutil.disk_usage(self.root).free < size + _SPARE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with tempfile.NamedTemporaryFile(dir=self.incoming, delete=False) as file:
                try:
                    yield file.file
                finally:
                    Path(file.name).unlink(missing_ok=True)

    def keep(self, file: IO[bytes], digest: str) -> None:
        """Make what was written to `file` durable, and the content of `digest`."""
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o444)  # folders of artifacts share these bytes
        Path(file.name).replace(self.path(digest))

    def settle(self) -> None:
        """Make the names of new blobs durable; to be called before something refers to them."""
        with self.errors(0):
            sync_folder(self.folder)

    @contextmanager
    def errors(self, size: int) -> Iterator[None]:
        """What the file system refuses while `size` bytes are written becomes `store_full` or `store_unwritable`."""
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise FreeholdError("store_full", path=self.root, needed=size // 1_000_000 + 1) from error
            raise FreeholdError("store_unwritable", path=self.root, reason=error.strerror or str(error)) from error

    def _corrupt(self, digest: str, found: str) -> FreeholdError:
        """Move the damaged file aside, so that adding or pulling the artifact again writes it anew."""
        path = self.path(digest)
        with suppress(OSError):  # a store that may only be read: said all the same
            path.replace(self.incoming / f"damaged-{path.name}")
        return FreeholdError("store_blob_corrupt", digest=digest, found=found[:19], path=path)


def _blocks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as content:
            while block := content.read(_BLOCK):
                yield block
    except OSError as error:
        raise FreeholdError("artifact_invalid", path=source, reason=error.strerror or str(error)) from error
