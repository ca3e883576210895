"""How a registry is asked: without a name first, then with what its challenge wants.

Wire facts: RFC 9110, 11 (challenges), RFC 7617 (Basic), and the token service of the distribution project: `realm` is
asked for `service` and `scope`, and answers `{"token" | "access_token"}`; an identity token is exchanged by a POST of
`grant_type=refresh_token`.
"""

import base64
import re
import threading
from collections.abc import Generator

import httpx2
import msgspec

from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE
from freehold.store.registry.credentials import Credentials

_CHALLENGE = re.compile(r'([A-Za-z0-9_-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_REPOSITORY = re.compile(r"/v2/(?P<name>.+)/(?:blobs|manifests|tags|referrers)/")
_READING = frozenset({"GET", "HEAD"})


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


class RegistryAuth(httpx2.Auth):
    """Authentication to one registry, for many threads. A token is kept for what it was given for, and no longer."""

    def __init__(self, host: str, credentials: Credentials | None) -> None:
        """`host` is `host[:port]` of the registry: no other host is given what it asks for."""
        self._host = host
        self._credentials = credentials
        self._headers: dict[str, str] = {}
        self._lock = threading.Lock()

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send; where the registry asks who we are, answer it and send once more."""
        if request.url.netloc.decode() != self._host:
            yield request  # an upload or a token service elsewhere has its own signed address
            return
        purpose = _purpose(request)
        known = self._known(purpose)
        if known:
            request.headers["Authorization"] = known
        response = yield request
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code != httpx2.codes.UNAUTHORIZED or not challenge:
            return
        response.read()
        header = yield from self._answer(challenge, request)
        if header is None or header == known:
            return
        with self._lock:
            self._headers[purpose] = header
        request.headers["Authorization"] = header
        yield request

    def _known(self, purpose: str) -> str:
        with self._lock:
            return self._headers.get(purpose, "")

    def _answer(
        self, challenge: str, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, str | None]:
        """The header that `challenge` asks for, or None where there is nothing to answer."""
        scheme, _, rest = challenge.partition(" ")
        wanted = {name.lower(): quoted or plain for name, quoted, plain in _CHALLENGE.findall(rest)}
        if scheme.lower() == "basic":
            return _basic(self._credentials)
        if scheme.lower() != "bearer" or "realm" not in wanted:
            return None
        return (yield from self._token(wanted, request))

    def _token(
        self, wanted: dict[str, str], request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, str | None]:
        realm = _realm(wanted["realm"], request.url)
        if realm is None:
            raise FreeholdError("registry_token_unsafe", registry=self._host, realm=wanted["realm"][:200])
        asked = {name: wanted[name] for name in ("service", "scope") if wanted.get(name)}
        if self._credentials is not None and self._credentials.identity_token:
            form = {**asked, "grant_type": "refresh_token", "client_id": "freehold"}
            form["refresh_token"] = self._credentials.identity_token
            question = httpx2.Request("POST", realm, data=form)
        else:
            scopes = [("scope", scope) for scope in asked.pop("scope", "").split()]
            question = httpx2.Request("GET", realm.copy_merge_params([*asked.items(), *scopes]))
            basic = _basic(self._credentials)
            if basic is not None:
                question.headers["Authorization"] = basic
        question.extensions = request.extensions  # its timeouts
        answer = yield question
        answer.read()
        if answer.status_code != httpx2.codes.OK:
            return None
        try:
            given = msgspec.json.decode(answer.content, type=_Token)
        except UNREADABLE:
            return None
        token = given.token or given.access_token
        return f"Bearer {token}" if token else None


def _purpose(request: httpx2.Request) -> str:
    """What a token is kept for: reading or writing a repository, and mounting from another one."""
    match = _REPOSITORY.match(request.url.path)
    action = "pull" if request.method in _READING else "push"
    return f"{match['name'] if match else ''} {action} {request.url.params.get('from', '')}"


def _realm(text: str, registry: httpx2.URL) -> httpx2.URL | None:
    """The token service; None where a password would travel less protected than to the registry itself."""
    try:
        realm = httpx2.URL(text)
    except httpx2.InvalidURL:
        return None
    return realm if realm.scheme in {"https", registry.scheme} and realm.host else None


def _basic(credentials: Credentials | None) -> str | None:
    if credentials is None or not (credentials.username or credentials.password):
        return None
    pair = f"{credentials.username}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
