"""One Dify, reached and signed in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from freehold.deploy.dify.console.accounts import Account, AdminKey, Credentials
from freehold.deploy.dify.console.calls import Calls
from freehold.deploy.dify.console.models import Models
from freehold.deploy.dify.console.plugins import Plugins
from freehold.deploy.dify.console.sessions import opened
from freehold.deploy.dify.console.setting_up import Say, ready
from freehold.deploy.dify.console.smoke import Smoke
from freehold.deploy.dify.console.uses import Uses
from freehold.deploy.dify.console.wire import Door, wired
from freehold.errors import FreeholdError

KNOWN = "1.15."
"""Dify whose console API was seen; with others every reply is held against its shape as well."""


@dataclass(frozen=True)
class Console:
    """What a signed-in account can do. `version` is what Dify says of itself, "" where nothing tells it."""

    version: str
    plugins: Plugins
    models: Models
    uses: Uses
    smoke: Smoke


@contextmanager
def open_console(door: Door, credentials: Credentials, say: Say) -> Iterator[Console]:
    """Wait until Dify is ready, sign in, and let go of all at the end.

    Raises as `ready` and `opened`, `dify_console_not_set_up` for one without an administrator, and
    `dify_console_other_workspace` where the account works in another workspace than the one that is meant.
    """
    secret = credentials.key if isinstance(credentials, AdminKey) else credentials.password
    with wired(door, frozenset({secret})) as wire:
        setup, version = ready(wire, say)
        if setup.step != "finished":
            raise FreeholdError("dify_console_not_set_up", step=wire.address)
        calls = Calls(wire, opened(wire, credentials))
        uses = Uses(calls)
        wanted = credentials.workspace if isinstance(credentials, Account) else None
        if wanted is not None and (current := uses.workspace().id) != wanted:
            raise FreeholdError("dify_console_other_workspace", wanted=wanted, current=current)
        yield Console(version, Plugins(calls, say), Models(calls, say), uses, Smoke(calls, say))
