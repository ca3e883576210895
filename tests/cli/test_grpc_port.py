"""Which port gRPC gets: a named one or an error, 8081 or none."""

import logging
import socket

import pytest

from freehold.cli import grpc_port
from freehold.cli.grpc_port import hold_grpc_port
from freehold.config import Config, Server
from freehold.errors import FreeholdError

HOST = "127.0.0.1"


@pytest.fixture
def free() -> int:
    """A port that nobody has."""
    with socket.create_server((HOST, 0)) as found:
        port: int = found.getsockname()[1]
    return port


def test_a_named_port_is_held(free: int) -> None:
    """The option goes before the configuration; nobody else gets it meanwhile."""
    with hold_grpc_port(Config(server=Server(grpc_port=1)), HOST, free, 8080) or pytest.fail("no port") as held:
        assert held.getsockname()[1] == free
        with pytest.raises(FreeholdError, match="port_in_use"):
            hold_grpc_port(Config(server=Server(grpc_port=free)), HOST, None, 8080)


def test_the_default_port_is_done_without_where_somebody_has_it(
    free: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A second node of a machine starts, and says what it lacks."""
    monkeypatch.setattr(grpc_port, "DEFAULT_PORT", free)
    with hold_grpc_port(Config(), HOST, None, 8080) or pytest.fail("no port"), caplog.at_level(logging.WARNING):
        assert hold_grpc_port(Config(), HOST, None, 8080) is None
    assert "gRPC is not served" in caplog.text


def test_no_port_where_none_is_wanted() -> None:
    """It is turned off, or HTTP itself takes any port that is free."""
    assert hold_grpc_port(Config(server=Server(grpc=False)), HOST, None, 8080) is None
    assert hold_grpc_port(Config(), HOST, None, 0) is None
