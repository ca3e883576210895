"""One file, loaded beside its place, gone on with after cuts, checked, and only then given its name."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from freehold.adapt.fetch.failures import host_of, unreachable
from freehold.adapt.fetch.halt import Halt
from freehold.adapt.fetch.repository import Errand, Hub, RemoteFile
from freehold.adapt.fetch.transport import Transport
from freehold.artifact.artifact import sha256_of
from freehold.errors import FreeholdError
from freehold.store.http_client import PASSING, is_distrust, retry_after_s, unreachable_because


class StoppedError(Exception):
    """Another file failed, or the user left: what has arrived so far stays for the next time."""


class _CutError(Exception):
    """This try ended early; another may go on. `wanted_s`: the server asked to wait so long."""

    def __init__(self, reason: str, wanted_s: float = 0.0, error: httpx2.RequestError | None = None) -> None:
        super().__init__(reason)
        self.wanted_s = wanted_s
        self.error = error


def part_of(target: Path, file: RemoteFile) -> Path:
    """Where what has arrived of `file` lies until it is whole; another content gets another name."""
    return target.with_name(f".{target.name}.{file.mark}.part")


def digest_if_same(path: Path, file: RemoteFile, sha256: Callable[[Path], str] = sha256_of) -> str:
    """Hex sha256 of `path` when it is `file` as far as the hub tells, else "". Raises OSError."""
    if not path.is_file() or path.stat().st_size != file.size:
        return ""
    digest = sha256(path)
    if file.sha256:
        return digest if digest == file.sha256 else ""
    return digest if not file.git_sha1 or git_sha1_of(path) == file.git_sha1 else ""


def git_sha1_of(path: Path) -> str:
    """Git's object id of a file as a blob, hexadecimal: sha1 over `blob SIZE`, a zero byte and the content."""
    header = b"blob %d\0" % path.stat().st_size
    sha1 = hashlib.sha1(header, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha1.update(block)
    return sha1.hexdigest()


@dataclass(frozen=True)
class Download:
    """`file` of a hub, to become `target`, whose folder exists."""

    file: RemoteFile
    target: Path
    hub: Hub
    errand: Errand
    transport: Transport
    halt: Halt

    def run(self) -> str:
        """Load what is missing, check it, put it in its place durably; hex sha256.

        Raises FreeholdError `fetch_cut`, `fetch_size_differs`, `fetch_digest_differs`, and as `unreachable` and
        `Hub.refusal`; StoppedError once `halt` is set; OSError for a disk.
        """
        part = part_of(self.target, self.file)
        failures, arrived, anew = 0, _size(part), False
        while True:
            if self.halt.is_set():
                raise StoppedError
            try:
                self._go_on(part)
            except _CutError as cut:
                failures = failures + 1 if _size(part) <= arrived else 1
                arrived = _size(part)
                if failures >= self.transport.patience.tries:
                    raise self._given_up(cut, arrived, failures) from None
                self.halt.wait(self.transport.patience.pause_s(failures, cut.wanted_s))
                continue
            digest = digest_if_same(part, self.file)
            if digest:
                return self._keep(part, digest)
            found = sha256_of(part)
            _discard(part)
            if anew or not arrived:
                expected = self.file.sha256 or f"git object {self.file.git_sha1}"
                raise self._error("fetch_digest_differs", expected=expected, found=found)
            failures, arrived, anew = 0, 0, True  # what it went on from may have been damaged: once from the start

    def _go_on(self, part: Path) -> None:
        """One request, for what is missing of `part`."""
        have = _size(part)
        if have == self.file.size:  # a file of no bytes too
            part.touch()
            return
        if have > self.file.size:
            _discard(part)
            have = 0
        try:
            headers = self._headers(part, have)
            with (
                self.transport.client.stream("GET", self.file.url, headers=headers) as response,
                self.halt.reading(response),
            ):
                begins = self._begins_at(response, have)
                _etag_of(part).write_text(response.headers.get("etag", ""), encoding="utf-8")
                self._append(part, begins, response)
        except httpx2.RequestError as error:
            if is_distrust(error):
                raise unreachable(self.errand, self.hub.host, error) from None
            raise _CutError(unreachable_because(error), error=error) from None
        if _size(part) < self.file.size:
            raise _CutError("the answer ended early")

    def _headers(self, part: Path, have: int) -> dict[str, str]:
        """Ask for the rest only, and for the whole where the file has become another (RFC 9110, 13.1.5 and 14.2)."""
        headers = dict(self.hub.headers)
        if have:
            headers["Range"] = f"bytes={have}-"
            etag = _etag_of(part).read_text(encoding="utf-8") if _etag_of(part).is_file() else ""
            if etag.startswith('"') and etag.isascii():  # a weak one says nothing about bytes
                headers["If-Range"] = etag
        return headers

    def _begins_at(self, response: httpx2.Response, have: int) -> int:
        """Where in the file the body of an answer begins. Raises what an answer without the file's bytes means."""
        status = response.status_code
        if status == 206:
            if response.headers.get("content-range", "").startswith(f"bytes {have}-"):
                return have
            raise _CutError("it answered another range than was asked for")
        if status == 200:
            whole = response.headers.get("content-length", "")
            if whole.isdecimal() and int(whole) != self.file.size and "content-encoding" not in response.headers:
                raise self._error("fetch_size_differs", expected=self.file.size, found=int(whole))
            return 0
        elsewhere = host_of(str(response.url)) != self.hub.host
        if status in PASSING or status == 416 or elsewhere:  # the address of a storage host is valid for a while only
            raise _CutError(f"HTTP {status}", retry_after_s(response))
        response.read()
        raise self.hub.refusal(self.errand, response)

    def _append(self, part: Path, begins: int, response: httpx2.Response) -> None:
        size = begins
        with part.open("r+b" if begins else "wb") as file:
            file.seek(begins)
            for piece in response.iter_bytes():
                if self.halt.is_set():
                    raise StoppedError
                size += len(piece)
                if size > self.file.size:
                    raise self._error("fetch_size_differs", expected=self.file.size, found=f"> {self.file.size}")
                file.write(piece)
                file.flush()  # a kill loses nothing that had arrived

    def _given_up(self, cut: _CutError, arrived: int, failures: int) -> FreeholdError:
        if cut.error is not None and not arrived:
            return unreachable(self.errand, self.hub.host, cut.error)
        return self._error("fetch_cut", have=arrived, tries=failures, reason=str(cut))

    def _keep(self, part: Path, digest: str) -> str:
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(self.target)
        _etag_of(part).unlink(missing_ok=True)
        return digest

    def _error(self, code: str, **details: object) -> FreeholdError:
        return FreeholdError(
            code, source=self.errand.source, file=self.file.name, host=self.hub.host, size=self.file.size, **details
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _etag_of(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _etag_of(part).unlink(missing_ok=True)
