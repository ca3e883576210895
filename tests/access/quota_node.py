"""Nodes of a test that share the limits of one home, and requests to them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from freehold.access import Key, Limits
from freehold.access.allowance import Headers
from freehold.access.database import Database
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules
from freehold.errors import FreeholdError

ONE = Key("one", "client", 0.0, b"1")


@asynccontextmanager
async def node(rules: Rules, connect: Callable[[], Database]) -> AsyncIterator[Quota]:
    """The quotas of a node, running."""
    quota = Quota(SharedLeases(connect, f"node-{id(rules)}"), rules)
    async with quota.running():
        yield quota


def at(home: Path) -> Callable[[], Database]:
    """Opens the file below `home`."""
    return lambda: Database.open(home)


def day(requests: int | None = None, tokens: int | None = None, parallel: int | None = None) -> Limits:
    """Limits of a day, in which a test finds no end of a window."""
    return Limits(requests_per_day=requests, tokens_per_day=tokens, parallel=parallel)


async def outcome(quota: Quota, key: Key = ONE, tokens: int = 0) -> str:
    """One request that ends at once, having used what was expected: `ok`, or the code of what kept it out."""
    try:
        (await quota.enter(key, tokens)).settle(tokens)
    except FreeholdError as error:
        return error.code
    return "ok"


def told(headers: Headers, name: str) -> str:
    """The value of a header."""
    return dict(headers)[name.encode()].decode()
