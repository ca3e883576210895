"""Signing in: by a password in the form that this Dify takes, or by its ADMIN_API_KEY.

A password goes as base64 (Dify 1.11 and later), and once more as it is where that was refused as wrong: which of both a
server wants is told only by what it answers. Tokens come as cookies with a CSRF token, from older ones in the body.
"""

import base64
from collections.abc import Mapping
from typing import Protocol

import msgspec

from freehold.deploy.dify.console.accounts import Account, AdminKey, Credentials
from freehold.deploy.dify.console.answers import Answer
from freehold.deploy.dify.console.wire import API, Request, Wire
from freehold.errors import FreeholdError

ACCESS, CSRF = "access_token", "csrf_token"
_CSRF_HEADER = "X-CSRF-Token"
_WRONG = (400, 401)
_ABOUT_THE_ACCOUNT = frozenset(
    {"account_banned", "account_in_freeze", "account_not_found", "not_allowed_create_workspace"}
)
_LOCKED = frozenset({"email_code_login_limit", "login_limit", "too_many_failed_login_attempts"})


class Tokens(msgspec.Struct, frozen=True):
    """What an older Dify answers a login and a renewal with."""

    access_token: str
    refresh_token: str = ""


class SignIn(msgspec.Struct, frozen=True):
    """The body of a login's answer: with cookies beside it, `data` is absent, or a text that says what failed."""

    result: str
    data: Tokens | str | None = None


class Session(Protocol):
    """Who calls: what is sent with every call, and whether it could be renewed."""

    def headers(self) -> Mapping[str, str]:
        """The headers of the next call."""

    def renew(self) -> bool:
        """Get new tokens; False where that cannot be, or was refused."""


class KeySession:
    """By ADMIN_API_KEY: nothing to renew, no CSRF token."""

    def __init__(self, key: str, workspace: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}", "X-WORKSPACE-ID": workspace}

    def headers(self) -> Mapping[str, str]:
        """The key, and whose owner it acts as."""
        return self._headers

    def renew(self) -> bool:
        """Never: a key that is refused stays so."""
        return False


class CookieSession:
    """By cookies: they lie in the client's jar; a call says the CSRF token once more in a header."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def headers(self) -> Mapping[str, str]:
        """The CSRF token, whatever its cookie's name is now."""
        return {_CSRF_HEADER: self._wire.cookie(CSRF) or ""}

    def renew(self) -> bool:
        """The refresh token is a cookie too: the access token lasts 60 minutes."""
        return self._wire.send(Request("POST", f"{API}/refresh-token")).ok


class TokenSession:
    """By tokens of the body, as Dify had it before cookies."""

    def __init__(self, wire: Wire, tokens: Tokens) -> None:
        self._wire = wire
        self._tokens = tokens

    def headers(self) -> Mapping[str, str]:
        """The access token."""
        return {"Authorization": f"Bearer {self._tokens.access_token}"}

    def renew(self) -> bool:
        """By the refresh token; False where there is none."""
        body = {"refresh_token": self._tokens.refresh_token}
        answer = self._wire.send(Request("POST", f"{API}/refresh-token", body))
        if not answer.ok:
            return False
        data = answer.read(SignIn).data
        if isinstance(data, Tokens):
            self._tokens = data
        return isinstance(data, Tokens)


def opened(wire: Wire, credentials: Credentials) -> Session:
    """A session for who these credentials are.

    Raises `dify_console_password`, `dify_console_locked`, `dify_console_sign_in`, `dify_console_insecure`,
    `dify_console_workspace`, and as `Wire.send`.
    """
    if isinstance(credentials, AdminKey):
        if not credentials.workspace:
            raise FreeholdError("dify_console_workspace", address=wire.address)
        return KeySession(credentials.key, credentials.workspace)
    answer = _attempt(wire, credentials, base64.b64encode(credentials.password.encode()).decode())
    if _is_wrong(answer):
        answer = _attempt(wire, credentials, credentials.password)
    return _session(wire, credentials, answer)


def _attempt(wire: Wire, account: Account, password: str) -> Answer:
    body = {"email": account.email, "password": password, "remember_me": True}
    answer = wire.send(Request("POST", f"{API}/login", body, secrets=(password,)))
    if answer.status == 429 or answer.code in _LOCKED:
        raise FreeholdError("dify_console_locked", email=account.email, reason=answer.words)
    if answer.code in _ABOUT_THE_ACCOUNT:
        raise FreeholdError("dify_console_sign_in", email=account.email, reason=answer.words)
    return answer


def _is_wrong(answer: Answer) -> bool:
    return answer.status in _WRONG and answer.code != "not_setup"


def _session(wire: Wire, account: Account, answer: Answer) -> Session:
    if _is_wrong(answer):
        raise FreeholdError("dify_console_password", email=account.email, reason=answer.words)
    if not answer.ok:
        raise answer.refusal()
    told = answer.read(SignIn)
    if isinstance(told.data, Tokens):
        return TokenSession(wire, told.data)
    if told.result != "success":
        raise FreeholdError("dify_console_sign_in", email=account.email, reason=told.data or answer.words)
    if wire.withholds_cookies():
        raise FreeholdError("dify_console_insecure", address=wire.address)
    if wire.cookie(ACCESS) is None or wire.cookie(CSRF) is None:
        raise answer.misshapen(f"neither cookies {ACCESS} and {CSRF} nor tokens in `data`")
    return CookieSession(wire)
