"""One Dify, reached and signed in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from freehold.config import Network
from freehold.deploy.dify.console.accounts import Account, Credentials
from freehold.deploy.dify.console.calls import Told
from freehold.deploy.dify.console.models import Models
from freehold.deploy.dify.console.plugins import Plugins
from freehold.deploy.dify.console.smoke import Smoke
from freehold.deploy.dify.console.uses import Uses

WAIT_S = 300.0


@dataclass(frozen=True)
class Door:
    """Where a Dify is and how it is reached: `address` without /console/api, CAs of `network`, never by a proxy.

    `wait_s`: how long it may take to become ready.
    """

    address: str
    network: Network
    environ: Mapping[str, str]
    wait_s: float = WAIT_S


@dataclass(frozen=True)
class Console:
    """What a signed-in account can do. `version` is what Dify says of itself, "" where nothing tells it."""

    version: str
    plugins: Plugins
    models: Models
    uses: Uses
    smoke: Smoke


@contextmanager
def open_console(door: Door, credentials: Credentials, told: Told) -> Iterator[Console]:
    """Wait until Dify is healthy, sign in, and let go of all at the end. Raises `dify_console_...`."""
    raise NotImplementedError
    yield


def set_up(
    door: Door,
    account: Account,
    told: Told,
    *,
    name: str = "admin",
    language: str = "en-US",
    init_password: str | None = None,
) -> bool:
    """Give a new Dify its administrator; False where it has one already. Raises `dify_console_...`."""
    raise NotImplementedError
