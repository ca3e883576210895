"""From a source to an arrival: the hub is asked what it holds, and the needed files are chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2

from freehold.adapt.fetch.arrival import Arrival
from freehold.adapt.fetch.download import digest_if_same
from freehold.adapt.fetch.failures import unreachable
from freehold.adapt.fetch.hubs import hub_of
from freehold.adapt.fetch.repository import Errand, Hub, RemoteFile
from freehold.adapt.fetch.selection import Selection
from freehold.adapt.fetch.transport import Transport
from freehold.config import Source

LONGEST_TEXT = 64 << 20  # bytes of a file that is read to choose others: the index of a thousand shards is 10 MB


@dataclass(frozen=True)
class SmallFiles:
    """The content of small files of a hub: of the one that lies here already, else asked for."""

    hub: Hub
    errand: Errand
    transport: Transport

    def read(self, file: RemoteFile) -> bytes:
        """All of `file`. Raises FreeholdError as `unreachable` and `Hub.refusal`, OSError."""
        here = self.errand.folder / file.name
        if digest_if_same(here, file):
            return here.read_bytes()
        try:
            response = self.transport.read(file.url, self.hub.headers, most=LONGEST_TEXT)
        except httpx2.RequestError as error:
            raise unreachable(self.errand, self.hub.host, error) from None
        if response.status_code != 200:
            raise self.hub.refusal(self.errand, response)
        return response.content


def prepare(
    source: Source,
    folder: Path,
    transport: Transport,
    environ: Mapping[str, str],
    sha256: Callable[[Path], str],
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> Arrival:
    """What is to be fetched; nothing is written yet.

    `environ` names endpoints and holds tokens. Raises FreeholdError as `hub_of`, `Hub.repository` and
    `Selection.files`.
    """
    hub, errand = hub_of(source, transport, environ), Errand(source, folder)
    repository = hub.repository(errand)
    files = Selection(repository, SmallFiles(hub, errand, transport).read, include, exclude).files()
    return Arrival(hub, repository, files, errand, transport, sha256)
