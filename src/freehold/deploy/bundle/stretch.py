"""Bytes of a bundle where they lie: a file of a folder, or a piece of a tar."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from freehold.errors import FreeholdError

BLOCK = 1 << 20


@dataclass(frozen=True)
class Stretch:
    """`size` bytes of `path` from `start` on, as `store.registry.content.Content`. `digest` is what the manifest says;
    only `summed` tells whether it is so. Any number of threads may read it."""

    path: Path
    start: int
    size: int
    digest: str = ""

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on, fewer at the end. Raises FreeholdError `bundle_unreadable`."""
        with self._opened() as file:
            return os.pread(file.fileno(), max(0, min(size, self.size - offset)), self.start + offset)

    def blocks(self) -> Iterator[bytes]:
        """All of it, in order; short where the file is. Raises as `read`."""
        with self._opened() as file:
            file.seek(self.start)
            left = self.size
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block

    def summed(self) -> str:
        """The digest of what is there now, as "sha256:<hex>". Raises as `read`."""
        summed = hashlib.sha256()
        for block in self.blocks():
            summed.update(block)
        return f"sha256:{summed.hexdigest()}"

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            raise FreeholdError("bundle_unreadable", place=self.path, reason=error.strerror or str(error)) from None
