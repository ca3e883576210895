"""What the configuration says of the listener."""

import msgspec
import pytest

from freehold.config import Server, Tls
from freehold.config.listening import SharedMemory


def test_a_node_listens_to_this_machine_alone_unless_told() -> None:
    """Plain HTTP on loopback; with TLS, browsers are told to insist for a year."""
    assert (Server().host, Server().port, Server().tls) == ("127.0.0.1", 8080, None)
    assert Tls().hsts_s == 365 * 24 * 3600


def test_shared_memory_is_off_unless_a_prefix_is_named() -> None:
    """A prefix is the beginning of a plain name, with or without the slash that POSIX puts in front."""
    assert Server().shared_memory.prefixes == ()
    read = msgspec.convert({"prefixes": ["/app_", "app.2-"]}, SharedMemory)
    assert read.prefixes == ("/app_", "app.2-")


@pytest.mark.parametrize("prefix", ["", "/", "//a", "../a", ".a", "a/b", "*", "a" * 200])
def test_a_prefix_that_could_leave_the_folder_is_refused(prefix: str) -> None:
    """Neither everything, nor a path, nor a pattern."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"prefixes": [prefix]}, SharedMemory)
