"""HTTP to one Dify: straight, with the authorities of `network.ca`, never redirected silently."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec

from freehold.config import Network
from freehold.deploy.dify.console.answers import Answer
from freehold.errors import FreeholdError
from freehold.store.http_client import CONNECT_S, SILENCE_S, is_distrust, open_client, unreachable_because

API = "/console/api"
LONGEST_BYTES = 64 << 20
"""Of an answer; more is not read."""
WHOLE_S = 900.0
"""An answer that comes byte by byte is left after so long: each byte ends the silence."""


@dataclass(frozen=True)
class Door:
    """Where a Dify is and how it is reached: `address` as browsers have it, without /console/api.

    `wait_s`: how long it may take until it is ready, or until it has done what is polled. `poll_s`: between two looks.
    """

    address: str
    network: Network
    environ: Mapping[str, str] = field(repr=False)
    wait_s: float = 60.0
    poll_s: float = 2.0


@dataclass(frozen=True)
class Upload:
    """A file in a form: the name of its part, and the file's own."""

    part: str
    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Request:
    """What is asked. `path` begins with a slash and is below the address; `secrets` are of this request alone."""

    method: str
    path: str
    body: Any = field(default=None, repr=False)
    query: Mapping[str, str | int] | None = None
    upload: Upload | None = None
    silence_s: float = SILENCE_S
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Wire:
    """Requests and answers, and the cookies that came with them. `secrets` are never told."""

    def __init__(self, door: Door, client: httpx2.Client, secrets: frozenset[str]) -> None:
        self.door = door
        self.address = door.address.rstrip("/").removesuffix(API)
        self.secrets = secrets
        self._client = client

    def send(self, request: Request, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer, whatever its status.

        Raises `dify_console_unreachable`, `dify_console_untrusted`, and `dify_console_moved` for a redirect: a client
        that follows one turns a POST into a GET. One to another page of the same host is `dify_console_absent`.
        """
        upload = request.upload
        try:
            with self._client.stream(
                request.method,
                self.address + request.path,
                json=request.body,
                params=request.query,
                files=None if upload is None else {upload.part: (upload.name, upload.content)},
                headers=headers,
                timeout=httpx2.Timeout(request.silence_s, connect=CONNECT_S, pool=None),
                follow_redirects=False,
            ) as response:
                content = self._whole(response)
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None
        except UnicodeError:  # httpx2's own cookies cannot carry what came
            reason = "its cookies are no ASCII"
            raise FreeholdError("dify_console_unreachable", address=self.address, reason=reason) from None
        step = f"{request.method} {request.path}"
        if response.is_redirect:
            raise self._moved(step, response.headers.get("location", ""))
        return Answer(
            step,
            response.status_code,
            content,
            response.headers.get("x-version", ""),
            self.secrets | frozenset(request.secrets),
        )

    def cookie(self, suffix: str) -> str | None:
        """The value of the cookie whose name ends in `suffix`: under HTTPS Dify puts `__Host-` before names."""
        return next((cookie.value for cookie in self._client.cookies.jar if cookie.name.endswith(suffix)), None)

    def withholds_cookies(self) -> bool:
        """Whether cookies came that are for HTTPS alone, over an address without it."""
        secure = any(cookie.secure for cookie in self._client.cookies.jar)
        return secure and urlsplit(self.address).scheme == "http"

    def until(self, wait_s: float | None = None) -> Iterator[float]:
        """Seconds that are left of `wait_s`, else of the door's, with a pause after each; at least once."""
        ends = time.monotonic() + (self.door.wait_s if wait_s is None else wait_s)
        while True:
            yield max(ends - time.monotonic(), 0.0)
            if time.monotonic() + self.door.poll_s > ends:
                return
            time.sleep(self.door.poll_s)

    def _whole(self, response: httpx2.Response) -> bytes:
        content, ends = bytearray(), time.monotonic() + WHOLE_S
        for piece in response.iter_bytes():
            content += piece
            if len(content) > LONGEST_BYTES or time.monotonic() > ends:
                reason = f"an answer of more than {LONGEST_BYTES >> 20} MiB, or {WHOLE_S:.0f} s, came"
                raise FreeholdError("dify_console_unreachable", address=self.address, reason=reason)
        return bytes(content)

    def _moved(self, step: str, location: str) -> FreeholdError:
        """A path behind another origin may carry tokens; a page of its own is no API, but a sign-in in front of it."""
        there = urlsplit(urljoin(f"{self.address}/", location))
        origin, own = f"{there.scheme}://{there.netloc}", urlsplit(self.address)
        if origin == f"{own.scheme}://{own.netloc}":
            reason = f"{step} is sent on to {there.path}"
            return FreeholdError("dify_console_absent", address=self.address, reason=reason)
        return FreeholdError("dify_console_moved", address=self.address, location=origin)

    def _unreachable(self, error: httpx2.RequestError) -> FreeholdError:
        reason = unreachable_because(error)
        if is_distrust(error):
            return FreeholdError("dify_console_untrusted", address=self.address, reason=reason)
        return FreeholdError("dify_console_unreachable", address=self.address, reason=reason)


@contextmanager
def wired(door: Door, secrets: frozenset[str] = frozenset()) -> Iterator[Wire]:
    """A client for one Dify. Raises as `open_client`, and `dify_console_unreachable` for what is no address."""
    host = urlsplit(door.address).hostname
    if host is None or urlsplit(door.address).scheme not in ("http", "https"):
        reason = "it is not the address of a web server: http://HOST or https://HOST"
        raise FreeholdError("dify_console_unreachable", address=door.address, reason=reason)
    straight = msgspec.structs.replace(door.network, proxy=None)
    with open_client(straight, {**door.environ, "no_proxy": "*"}) as client:
        yield Wire(door, client, secrets)
