"""One blob from a registry: resumed after a cut, also one of an earlier process, and verified before it counts."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import httpx2

from freehold.errors import FreeholdError
from freehold.store.blobs import PART, Blobs
from freehold.store.locks import lies_at, take
from freehold.store.oci import Descriptor
from freehold.store.registry.client import CutError, Repository
from freehold.store.registry.meter import Meter

_BLOCK = 1 << 20
_POLL_S = 0.05


class Hash(Protocol):
    """What is fed with bytes, in order."""

    def update(self, data: bytes, /) -> None:
        """Take `data` in."""


def download(repository: Repository, wanted: Descriptor, blobs: Blobs, meter: Meter) -> None:
    """Bring the content of `wanted` into `blobs`; inside `Store.writing`.

    Raises FreeholdError `registry_digest_wrong`, `registry_blob_missing`, `store_full`, `store_unwritable` and those of
    the client.
    """
    path = blobs.incoming / f"{blobs.path(wanted.digest).name}{PART}"
    with _alone(path, blobs, meter) as file:
        if blobs.has(wanted.digest, wanted.size):  # another process brought it meanwhile
            path.unlink()
            meter.keep(wanted.size)
            return
        inherited = file.seek(0, os.SEEK_END)
        found = _complete(repository, wanted, file, meter)
        if found != wanted.digest and inherited:  # what an earlier process left was no beginning of it
            meter.keep(-file.tell())
            file.truncate(0)
            found = _complete(repository, wanted, file, meter)
        if found != wanted.digest:
            path.unlink()
            raise FreeholdError(
                "registry_digest_wrong", place=repository, expected=wanted.digest[:19], found=found[:19]
            )
        blobs.keep(file, wanted.digest)


@contextmanager
def _alone(path: Path, blobs: Blobs, meter: Meter) -> Iterator[IO[bytes]]:
    """`path`, made where it is not there, while no other process writes it. Raises StoppedError as `Meter.move`."""
    while True:
        with blobs.errors(0), path.open("a+b") as file:
            while not take(file.fileno()):
                meter.move(0)  # whoever gives up is not to wait for another process
                time.sleep(_POLL_S)
            if lies_at(file.fileno(), path):
                yield file
                return
        # The process before us finished it, and it lies elsewhere now.


def _complete(repository: Repository, wanted: Descriptor, file: IO[bytes], meter: Meter) -> str:
    """Append what is missing; the digest of what `file` then holds."""
    summed = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        summed.update(block)
    meter.keep(file.tell())
    failures = 0
    while (before := file.tell()) < wanted.size:
        try:
            _receive(repository, wanted, file, summed, meter)
        except CutError as cut:
            failures = 1 if file.tell() > before else failures + 1
            repository.patience.wait(failures, cut)
    return f"sha256:{summed.hexdigest()}"


def _receive(repository: Repository, wanted: Descriptor, file: IO[bytes], summed: Hash, meter: Meter) -> None:
    """One request for the rest. Raises CutError where it ends before the content does."""
    offset = file.tell()
    headers = {"Range": f"bytes={offset}-"} if offset else None
    url = repository.url(f"blobs/{wanted.digest}")
    with repository.stream("GET", url, headers=headers, fine=frozenset({200, 206, 404})) as answer:
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise FreeholdError("registry_blob_missing", place=repository, digest=wanted.digest)
        known = offset if answer.status_code == httpx2.codes.OK else 0  # it sends everything once more
        if not known and offset and not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            raise repository.refused(answer.status_code, "it sends another range than was asked for")
        for piece in answer.iter_raw():
            fresh = piece[known:]
            known -= len(piece) - len(fresh)
            if file.tell() + len(fresh) > wanted.size:
                raise repository.refused(answer.status_code, f"it sends more than the {wanted.size} bytes of a blob")
            file.write(fresh)
            summed.update(fresh)
            meter.move(len(fresh))
    if file.tell() < wanted.size:
        raise CutError(repository.refused(answer.status_code, "it sends less than the whole blob"))
