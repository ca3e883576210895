"""Which artifact of the store is in which repository: so that the next push knows where to, and what may be mounted."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError
from freehold.store.blobs import Blobs
from freehold.store.collect import read_image
from freehold.store.oci import UNREADABLE

FILE = "registries.json"
_KEPT = 1000


class Place(msgspec.Struct, frozen=True):
    """The image manifest `oci_digest` of the name `name` here lies in `repository` ("host/name")."""

    repository: str
    name: str
    oci_digest: str


class Places:
    """`registries.json` of a store: the latest pushes and pulls, newest last.

    It only saves work: nothing is wrong when it is gone, old, or short of what two processes noted at once.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / FILE

    def note(self, place: Place) -> None:
        """It is there now. A store that cannot be written learns nothing."""
        kept = [one for one in self._read() if one != place][-_KEPT + 1 :]
        try:
            write_durably(self._path, msgspec.json.encode([*kept, place]))
        except OSError:
            return

    def last(self, name: str) -> str | None:
        """The repository that `name` was last pushed to or pulled from."""
        return next((one.repository for one in reversed(self._read()) if one.name == name), None)

    def neighbours(self, repository: str, blobs: Blobs) -> dict[str, str]:
        """For every blob known to be in another repository of the same registry: that repository's name there."""
        host = repository.partition("/")[0]
        found: dict[str, str] = {}
        for one in self._read():
            there, _, name = one.repository.partition("/")
            if there == host and one.repository != repository:
                found |= dict.fromkeys(_blobs_of(one.oci_digest, blobs), name)
        return found

    def _read(self) -> list[Place]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Place])
        except (OSError, *UNREADABLE):
            return []


def _blobs_of(oci_digest: str, blobs: Blobs) -> Iterator[str]:
    try:
        image = read_image(blobs, oci_digest)
    except FreeholdError:  # it has left this store
        return
    yield from (one.digest for one in (image.config, *image.layers))
