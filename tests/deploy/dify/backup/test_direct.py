"""A Dify that this machine reaches itself."""

from freehold.deploy.dify.backup.direct import Address


def test_passwords_are_in_no_command_line() -> None:
    """They go by the environment, and another server's variables do not come along."""
    address = Address("db.corp", 6432, "hush", "verify-full", "/ca.pem", "/opt/pg/bin")
    command = address.command(("psql", "-X"), {"PATH": "/bin", "PGHOST": "other", "PGSERVICE": "x"})
    assert command.words == ("/opt/pg/bin/psql", "-X")
    assert "hush" not in repr(command) + repr(address)
    assert {
        name: command.environ[name] for name in ("PGHOST", "PGPORT", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT")
    } == {
        "PGHOST": "db.corp",
        "PGPORT": "6432",
        "PGPASSWORD": "hush",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
    }
    assert "PGSERVICE" not in command.environ
