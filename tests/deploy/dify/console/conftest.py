"""A console and a model's server for the tests of their client."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.dify.console import Account, Console, Credentials, Door, Say, open_console
from tests.dify_console.model_server import ModelServer, model_server
from tests.dify_console.server import serving
from tests.dify_console.state import Dify
from tests.pki import Authority

WAIT_S, POLL_S = 5.0, 0.005

Opened = Callable[..., AbstractContextManager[Console]]


def door(dify: Dify, ca: Path | None = None, wait_s: float = WAIT_S) -> Door:
    """The door of a console that is served."""
    return Door(dify.url, Network(ca=None if ca is None else str(ca)), {}, wait_s, POLL_S)


def tls(authority: Authority) -> ssl.SSLContext:
    """What a console that the authority vouches for is served with."""
    pair, context = authority.issue(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def account(**what: str) -> Account:
    """The first user of `Dify.with_user()`."""
    return Account(**{"email": "admin@example.com", "password": "secret123", **what})


@pytest.fixture
def models() -> Iterator[ModelServer]:
    """A server that chats, embeds and ranks."""
    with model_server() as server:
        yield server


@pytest.fixture
def said() -> list[str]:
    """What was told on the way."""
    return []


@pytest.fixture
def opened(said: list[str]) -> Opened:
    """Serve a console, sign in, and give what an account can do."""

    @contextmanager
    def opened(
        dify: Dify, credentials: Credentials | None = None, wait_s: float = WAIT_S, say: Say = said.append
    ) -> Iterator[Console]:
        with (
            serving(dify),
            open_console(door(dify, wait_s=wait_s), credentials or account(), say) as console,
        ):
            yield console

    return opened


@pytest.fixture
def dify() -> Dify:
    """One with an administrator and the provider's plugin."""
    return Dify().with_user().with_plugin()
