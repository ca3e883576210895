"""What is sent to a registry: content with its digest, read in pieces from wherever it lies."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from freehold.store.oci import digest_of


class Content(Protocol):
    """Bytes of a known digest and size."""

    @property
    def digest(self) -> str:
        """ "sha256:<hex>"."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on, fewer only at the end. Raises OSError."""
        ...


@dataclass(frozen=True)
class FileContent:
    """A file. Any number of threads may read it."""

    path: Path
    digest: str
    size: int

    def read(self, offset: int, size: int) -> bytes:
        """As Content."""
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), size, offset)


@dataclass(frozen=True)
class BytesContent:
    """A document in memory."""

    raw: bytes

    @property
    def digest(self) -> str:
        """Of the bytes."""
        return digest_of(self.raw)

    @property
    def size(self) -> int:
        """Of the bytes."""
        return len(self.raw)

    def read(self, offset: int, size: int) -> bytes:
        """As Content."""
        return self.raw[offset : offset + size]
