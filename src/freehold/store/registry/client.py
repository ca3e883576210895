"""One repository of one registry, in the verbs of the OCI distribution specification 1.1."""

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import msgspec

from freehold.errors import FreeholdError
from freehold.store import oci
from freehold.store.http_client import PASSING, is_distrust, retry_after_s, unreachable_because
from freehold.store.registry.authentication import RegistryAuth
from freehold.store.registry.credentials import DOCKER_HUB, Credentials

THERE_OR_NOT = frozenset({200, 404})  # statuses
LARGEST_MANIFEST = 4 << 20  # bytes; what registries take at most
MANIFESTS = (
    oci.IMAGE_MANIFEST,
    oci.IMAGE_INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MOST_PAGES = 10_000  # of one list
COMMIT_S = 600.0  # a registry may read a large blob once more before it answers
LONGEST_WAIT_S = 60.0  # of those that a registry may ask for
_HUB_API = "registry-1.docker.io"
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?")

T = TypeVar("T")


class _Complaint(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Complaints(msgspec.Struct):
    errors: list[_Complaint] = []


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


@dataclass(frozen=True)
class Fetched:
    """A manifest as it came: its media type, its bytes, and their digest."""

    media_type: str
    raw: bytes
    digest: str


@dataclass(frozen=True)
class Answer:
    """An answer that was read whole; `following` is where a list goes on (RFC 8288 `Link`), or None."""

    status: int
    headers: httpx2.Headers
    content: bytes
    following: str | None

    @property
    def found(self) -> bool:
        """Whether the thing that was asked for is there."""
        return self.status == httpx2.codes.OK


class CutError(Exception):
    """A request that did not get through, and may the next time; `error` is what it is if it never does."""

    def __init__(self, error: FreeholdError, pause_s: float = 0.0) -> None:
        super().__init__(error.cause)
        self.error = error
        self.pause_s = pause_s


@dataclass(frozen=True)
class Patience:
    """How many tries in a row may fail, and how long the first pause between them is; each further one is longer."""

    tries: int = 5
    first_pause_s: float = 0.2
    longest_pause_s: float = 10.0

    def wait(self, failures: int, cut: CutError) -> None:
        """Pause after so many failures in a row, out of step with others. Raises what `cut` is after the last."""
        if failures >= self.tries:
            raise cut.error from None
        pause_s = min(self.first_pause_s * 2 ** (failures - 1), self.longest_pause_s)
        time.sleep(max(pause_s * random.uniform(0.5, 1.0), cut.pause_s))


class Repository:
    """`host[:port]/name` of a registry. Used by many threads; the client is the caller's to close."""

    def __init__(
        self,
        place: str,
        client: httpx2.Client,
        credentials: Credentials | None = None,
        plain_http: bool | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`plain_http`: without TLS; None: so for loopback only."""
        self.host, _, name = place.partition("/")
        hub = self.host in DOCKER_HUB
        self.name = f"library/{name}" if hub and "/" not in name else name
        plain = _LOOPBACK.fullmatch(self.host) is not None if plain_http is None else plain_http
        self._origin = httpx2.URL(f"{'http' if plain else 'https'}://{_HUB_API if hub else self.host}")
        self.patience = patience or Patience()
        self._client = client
        self._auth = RegistryAuth(self._origin.netloc.decode(), credentials)

    def __str__(self) -> str:
        """As it is written behind `oci://`."""
        return f"{self.host}/{self.name}"

    def url(self, path: str) -> httpx2.URL:
        """The address of `path` below this repository, or of a Location that the registry gave.

        Raises `registry_refused` for one that is no address.
        """
        try:
            return self._origin.join(f"/v2/{self.name}/").join(path)
        except httpx2.InvalidURL as error:
            raise self.refused(0, f"it gives an address that is none: {error}") from None

    @contextmanager
    def stream(
        self,
        method: str,
        url: httpx2.URL,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        fine: frozenset[int] = frozenset({200}),
    ) -> Iterator[httpx2.Response]:
        """One request whose answer is read by the caller.

        Raises CutError, also for what ends while the answer is read, and FreeholdError for an answer whose status
        is not among `fine`.
        """
        body, timeout = None, self._client.timeout
        if method in ("PUT", "PATCH", "POST"):
            body = content
            timeout = httpx2.Timeout(timeout.write, connect=timeout.connect, read=COMMIT_S, pool=None)
        try:
            with self._client.stream(
                method, url, content=body, headers=headers, auth=self._auth, timeout=timeout
            ) as response:
                if response.status_code not in fine:
                    raise self._refusal(response)
                yield response
        except httpx2.TooManyRedirects:
            raise self.refused(0, "it redirects in a circle") from None
        except httpx2.RequestError as error:
            failure = self._failure(error)
            raise CutError(failure) if failure.code == "registry_unreachable" else failure from None

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        fine: frozenset[int] = frozenset({200}),
    ) -> Answer:
        """A short request, repeated while it is cut, and its whole answer. Raises FreeholdError."""
        failures = 0
        while True:
            try:
                with self.stream(method, self.url(path), content=content, headers=headers, fine=fine) as response:
                    link = response.links.get("next", {}).get("url")
                    following = str(response.url.join(link)) if link else None
                    return Answer(response.status_code, response.headers, self._whole(response), following)
            except CutError as cut:
                failures += 1
                self.patience.wait(failures, cut)

    def has_blob(self, digest: str) -> bool:
        """Whether the content of `digest` is in this repository."""
        return self.ask("HEAD", f"blobs/{digest}", fine=THERE_OR_NOT).found

    def has_manifest(self, reference: str) -> bool:
        """Whether there is a manifest under a tag or digest."""
        return self.ask("HEAD", f"manifests/{reference}", headers=_ACCEPT, fine=THERE_OR_NOT).found

    def manifest(self, reference: str) -> Fetched | None:
        """The manifest of a tag or digest, or None. Raises `registry_digest_wrong` where a digest gives another."""
        answer = self.ask("GET", f"manifests/{reference}", headers=_ACCEPT, fine=THERE_OR_NOT)
        if not answer.found:
            return None
        digest = oci.digest_of(answer.content)
        promised = reference if reference.startswith("sha256:") else answer.headers.get("Docker-Content-Digest", digest)
        if promised != digest:
            raise FreeholdError("registry_digest_wrong", place=self, expected=promised[:19], found=digest[:19])
        return Fetched(answer.headers.get("Content-Type", "").partition(";")[0].strip(), answer.content, digest)

    def put_manifest(self, reference: str, raw: bytes, media_type: str) -> bool:
        """Write a manifest under a tag or its digest; whether the registry noted what it refers to (`OCI-Subject`)."""
        headers = {"Content-Type": media_type}
        fine = frozenset({200, 201, 202})
        answer = self.ask("PUT", f"manifests/{reference}", content=raw, headers=headers, fine=fine)
        return "OCI-Subject" in answer.headers

    def tags(self) -> list[str]:
        """Every tag; none where the repository is not there, or does not tell."""
        pages = self.pages("tags/list", fine=THERE_OR_NOT | {405})
        return [tag for page in pages if page.found for tag in self.decode(page.content, _Tags).tags or []]

    def pages(self, path: str, *, headers: Mapping[str, str] | None = None, fine: frozenset[int]) -> Iterator[Answer]:
        """Every page of a list, where its last may be one that is not there.

        Raises FreeholdError as `ask`, and `registry_refused` for a list whose pages lead in a circle.
        """
        seen: set[str] = set()
        while path:
            if path in seen or len(seen) == MOST_PAGES:
                raise self.refused(200, "its list has no last page")
            seen.add(path)
            page = self.ask("GET", path, headers=headers, fine=fine)
            yield page
            path = (page.following or "") if page.found else ""

    def decode(self, raw: bytes, shape: type[T]) -> T:
        """A JSON document of the registry. Raises `registry_refused` for what is none."""
        try:
            return msgspec.json.decode(raw, type=shape)
        except oci.UNREADABLE as error:
            raise self.refused(200, f"it does not speak the distribution protocol: {error}") from None

    def refused(self, status: int, reason: str) -> FreeholdError:
        """The error of an answer that cannot be worked with; `status` 0 where it is not about the status."""
        return FreeholdError("registry_refused", place=self, status=status or "-", reason=reason[:300])

    def _whole(self, response: httpx2.Response) -> bytes:
        """An answer that should be short. Raises `registry_refused` for one that is not."""
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > LARGEST_MANIFEST:
                raise self.refused(response.status_code, f"its answer is larger than {LARGEST_MANIFEST} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def _refusal(self, response: httpx2.Response) -> FreeholdError | CutError:
        """What an answer that was not hoped for means."""
        said = _said(self._whole(response))
        status = response.status_code
        codes = ", ".join(filter(None, dict.fromkeys(one.code for one in said)))
        reason = "; ".join(filter(None, dict.fromkeys(one.message for one in said))) or response.reason_phrase or "-"
        if status in PASSING:
            return CutError(self.refused(status, reason), min(retry_after_s(response), LONGEST_WAIT_S))
        if status == httpx2.codes.UNAUTHORIZED:
            return FreeholdError("registry_login_needed", registry=self.host, place=self)
        if status == httpx2.codes.FORBIDDEN:
            return FreeholdError("registry_forbidden", place=self, reason=reason[:200])
        return self.refused(status, f"{codes}: {reason}" if codes else reason)

    def _failure(self, error: httpx2.RequestError) -> FreeholdError:
        reason = unreachable_because(error)
        if is_distrust(error):
            return FreeholdError("registry_untrusted", registry=self.host, reason=reason)
        if "WRONG_VERSION_NUMBER" in reason or "record layer failure" in reason:
            return FreeholdError("registry_without_tls", registry=self.host)
        return FreeholdError("registry_unreachable", registry=self.host, reason=reason)


_ACCEPT = {"Accept": ", ".join(MANIFESTS)}


def _said(raw: bytes) -> list[_Complaint]:
    try:
        return msgspec.json.decode(raw, type=_Complaints).errors
    except oci.UNREADABLE:
        return []
