"""What the configuration says of the listener."""

from freehold.config import Server, Tls


def test_a_node_listens_to_this_machine_alone_unless_told() -> None:
    """Plain HTTP on loopback; with TLS, browsers are told to insist for a year."""
    assert (Server().host, Server().port, Server().tls) == ("127.0.0.1", 8080, None)
    assert Tls().hsts_s == 365 * 24 * 3600
