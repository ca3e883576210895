"""Waiting until a Dify is ready, and giving a new one its administrator."""

import re
from collections.abc import Callable

import msgspec

from freehold.deploy.dify.console.accounts import Account
from freehold.deploy.dify.console.answers import Answer
from freehold.deploy.dify.console.wire import API, Door, Request, Wire, wired
from freehold.errors import FreeholdError

Say = Callable[[str], None]
"""Hears one line of progress at a time."""

_NOT_YET = frozenset({500, 502, 503, 504})
_PASSWORD = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9]).{8,}", re.DOTALL)


class Setup(msgspec.Struct, frozen=True):
    """Whether a Dify has its administrator: `finished`, or `not_started`."""

    step: str


class Init(msgspec.Struct, frozen=True):
    """Whether INIT_PASSWORD was given in this session, or is not wanted: `finished`, or `not_started`."""

    status: str


def ready(wire: Wire, say: Say) -> tuple[Setup, str]:
    """Wait until the API answers from its database; how far its setup is, and its version ("" where none is told).

    Raises `dify_console_not_ready` when the time is over, `dify_console_absent` where another thing answers, and as
    `Wire.send` for what waiting does not mend.
    """
    seen = ""
    for left_s in wire.until():
        try:
            answer = wire.send(Request("GET", f"{API}/setup", silence_s=min(max(left_s, 1.0), 30.0)))
            if answer.status not in _NOT_YET:
                return _setup(wire, answer), answer.version
            found = f"status {answer.status}"
        except FreeholdError as error:
            if error.code != "dify_console_unreachable":
                raise
            found = str(error.details["reason"])
        if found != seen:
            say(f"waiting for Dify at {wire.address}, {left_s:.0f} s at most: {found}")
            seen = found
    raise FreeholdError("dify_console_not_ready", address=wire.address, seconds=f"{wire.door.wait_s:.0f}", seen=seen)


def is_set_up(door: Door, say: Say) -> bool:
    """Whether a Dify has its administrator. Changes nothing. Raises as `ready`."""
    with wired(door, frozenset()) as wire:
        return ready(wire, say)[0].step == "finished"


def set_up(
    door: Door,
    account: Account,
    say: Say,
    *,
    name: str = "admin",
    language: str = "en-US",
    init_password: str | None = None,
) -> bool:
    """Give a new Dify its administrator; False where it has one already, which is left as it is.

    Raises `dify_console_setup_password`, `dify_console_init_password`, and as `ready`.
    """
    if not _PASSWORD.fullmatch(account.password):
        raise FreeholdError("dify_console_setup_password")
    secrets = frozenset(filter(None, (account.password, init_password)))
    with wired(door, secrets) as wire:
        if ready(wire, say)[0].step == "finished":
            return False
        _pass_init(wire, init_password)
        body = {"email": account.email, "name": name, "password": account.password, "language": language}
        answer = wire.send(Request("POST", f"{API}/setup", body))
        if answer.code == "already_setup":  # another one was faster
            return False
        if not answer.ok:
            raise answer.refusal()
        say(f"Dify at {wire.address} has its administrator: {account.email}")
        return True


def _pass_init(wire: Wire, password: str | None) -> None:
    """The session cookie that comes with it opens /setup."""
    if _asked(wire, Request("GET", f"{API}/init")).read(Init).status == "finished":
        return
    if password is None:
        raise FreeholdError("dify_console_init_password", reason="it was started with one, and none is given here")
    answer = wire.send(Request("POST", f"{API}/init", {"password": password}))
    if answer.code == "init_validate_failed":
        raise FreeholdError("dify_console_init_password", reason=answer.words)
    if not answer.ok and answer.code != "already_setup":
        raise answer.refusal()


def _asked(wire: Wire, request: Request) -> Answer:
    answer = wire.send(request)
    if not answer.ok:
        raise answer.refusal()
    return answer


def _setup(wire: Wire, answer: Answer) -> Setup:
    if answer.status == 404 or not answer.is_json:
        reason = f"{answer.step}: status {answer.status}: {answer.words}"
        raise FreeholdError("dify_console_absent", address=wire.address, reason=reason)
    if not answer.ok:
        raise answer.refusal()
    return answer.read(Setup)
