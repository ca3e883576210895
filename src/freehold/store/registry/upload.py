"""One blob to a registry: mounted from a neighbour where that can be, else sent in chunks and resumed after a cut.

Wire facts: OCI distribution-spec 1.1, "Pushing a blob in chunks" and "Mounting a blob from another repository". A
registry that forgets an upload whose chunk was cut (distribution 2.8, and Harbor, which is made of it) makes the blob
start anew.
"""

from dataclasses import dataclass

import httpx2

from freehold.store.registry.client import CutError, Repository
from freehold.store.registry.content import Content
from freehold.store.registry.meter import Meter

CHUNK = 8 << 20  # bytes; above the 5 MiB that registries on S3 want at least
_LOST = frozenset({404, 416})  # the registry does not know the upload any more, or has more or less of it


def mount(repository: Repository, digest: str, neighbour: str) -> bool:
    """Whether the registry took the blob over from its repository `neighbour`."""
    path = f"blobs/uploads/?mount={digest}&from={neighbour}"
    answer = repository.ask("POST", path, fine=frozenset({201, 202, 404}))
    if answer.status == httpx2.codes.ACCEPTED and "Location" in answer.headers:  # it offers an upload instead
        repository.ask("DELETE", answer.headers["Location"], fine=frozenset({200, 202, 204, 400, 404, 405}))
    return answer.status == httpx2.codes.CREATED


def upload(repository: Repository, content: Content, meter: Meter) -> None:
    """Send the blob. Raises FreeholdError `registry_refused`, `registry_unreachable` and others of the client."""
    sending = _Upload(repository, content, meter)
    furthest, failures = 0, 0
    while True:
        try:
            sending.go_on()
            return
        except CutError as cut:
            failures = 1 if sending.offset > furthest else failures + 1
            furthest = max(furthest, sending.offset)
            repository.patience.wait(failures, cut)
        if repository.has_blob(content.digest):  # only the answer was lost
            meter.keep(content.size - sending.offset)
            return


@dataclass
class _Upload:
    """An upload session, as far as it has come."""

    repository: Repository
    content: Content
    meter: Meter
    location: httpx2.URL | None = None
    offset: int = 0

    def go_on(self) -> None:
        """Send what is missing. Raises CutError, after which it can be called again."""
        if self.location is not None:
            self._ask_offset(self.location)
        location = self._begin() if self.location is None else self.location
        while self.content.size - self.offset > CHUNK:
            location = self._send("PATCH", location, 202)
        self._send("PUT", location.copy_merge_params({"digest": self.content.digest}), 201)

    def _begin(self) -> httpx2.URL:
        self.meter.keep(-self.offset)
        self.offset = 0
        url = self.repository.url("blobs/uploads/")
        with self.repository.stream("POST", url, fine=frozenset({202})) as answer:
            if "Location" not in answer.headers:
                raise self.repository.refused(answer.status_code, "it does not say where to upload to")
            self.location = self.repository.url(answer.headers["Location"])
        return self.location

    def _send(self, method: str, url: httpx2.URL, done: int) -> httpx2.URL:
        """The next chunk; where the one after it goes to."""
        chunk = self.content.read(self.offset, CHUNK)
        headers = {"Content-Type": "application/octet-stream"}
        if chunk and (self.offset or method == "PATCH"):
            headers["Content-Range"] = f"{self.offset}-{self.offset + len(chunk) - 1}"
        fine = frozenset({done, 204}) | _LOST
        with self.repository.stream(method, url, content=chunk, headers=headers, fine=fine) as answer:
            if answer.status_code in _LOST:
                raise CutError(self.repository.refused(answer.status_code, "it lost the upload"))
            self.location = self.repository.url(answer.headers.get("Location", str(url)))
        self.offset += len(chunk)
        self.meter.move(len(chunk))
        return self.location

    def _ask_offset(self, location: httpx2.URL) -> None:
        """How much has arrived, or, where the registry does not know the upload any more, that none has."""
        self.location = None
        if self.content.size <= CHUNK:
            return
        fine = frozenset({200, 204, 400, 404, 405, 416})
        with self.repository.stream("GET", location, fine=fine) as answer:
            arrived = _end(answer.headers.get("Range", ""))
            if answer.status_code not in (200, 204) or arrived is None or arrived > self.content.size:
                return
            self.location = self.repository.url(answer.headers.get("Location", str(location)))
        self.meter.keep(arrived - self.offset)
        self.offset = arrived


def _end(header: str) -> int | None:
    """How many bytes `Range: 0-N` of an upload means: N + 1, and none for the `0-0` of one that has just begun."""
    first, _, last = header.removeprefix("bytes=").partition("-")
    if first != "0" or not last.isdecimal():
        return None
    return int(last) + 1 if int(last) else 0
