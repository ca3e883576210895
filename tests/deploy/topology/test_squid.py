"""What Squid lets through, by its text and by Squid's own reading of it."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from freehold.deploy.topology.squid import PRIVATE, divided, squid_conf
from tests.deploy.topology.test_nginx import PATIENCE_S, free_ports, serving


def program() -> str:
    found = shutil.which("squid") or "/usr/sbin/squid"
    assert Path(found).exists(), "Squid is not here: apt-get install squid"
    return found


@contextmanager
def squid(folder: Path, hosts: tuple[str, ...]) -> Iterator[int]:
    """The port of a real one."""
    port, _ = free_ports()
    text = squid_conf(hosts).replace("http_port 3128", f"http_port 127.0.0.1:{port}")
    text = text.replace("stdio:/dev/stdout", "none").replace("stdio:/dev/stderr", "/dev/null")
    user = getpass.getuser() if os.getuid() else "nobody"  # it refuses to be root
    (folder / "squid.conf").write_text(f"cache_effective_user {user}\n{text}", encoding="utf-8")
    name = f"test{port}"  # of its shared memory
    process = subprocess.Popen([program(), "-N", "-n", name, "-f", folder / "squid.conf"], stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < limit
                time.sleep(0.02)
        yield port
    finally:
        process.kill()  # asked to leave, it takes two seconds
        process.wait(PATIENCE_S)
        for left in Path("/dev/shm").glob(f"{name}-*"):
            left.unlink()


def test_nothing_private_is_reached_unless_it_is_said() -> None:
    """Every rule in its order: the first that fits decides."""
    rules = [line for line in squid_conf(()).splitlines() if line.startswith("http_access")]
    assert rules == [
        "http_access deny private",
        "http_access deny !web",
        "http_access deny tunnel !tls",
        "http_access allow all",
    ]
    assert f"acl private dst {' '.join(PRIVATE)}" in squid_conf(())


def test_what_is_declared_is_let_through_first() -> None:
    """A domain with all below it, a network, a single address; by any port."""
    lines = squid_conf(("crm.corp", ".erp.corp", "10.1.2.0/24", "fd00::5")).splitlines()
    assert "acl declared_domains dstdomain .crm.corp .erp.corp" in lines
    assert "acl declared_networks dst 10.1.2.0/24 fd00::5" in lines
    rules = [line for line in lines if line.startswith("http_access")]
    assert rules[:3] == [
        "http_access allow declared_domains",
        "http_access allow declared_networks",
        "http_access deny private",
    ]


def test_hosts_are_told_apart() -> None:
    """Domains, and what is an address."""
    assert divided(("a.b", "10.0.0.1", "2001:db8::/32")) == (("a.b",), ("10.0.0.1", "2001:db8::/32"))


@pytest.mark.parametrize("hosts", [(), ("crm.corp", "10.1.2.0/24", "fd00::/8")])
def test_squid_takes_it_without_a_word(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    """The real one; it warns where an address is within another."""
    file = tmp_path / "squid.conf"
    user = f"cache_effective_user {getpass.getuser()}\n"  # it asks for the one of its package, who cannot read here
    file.write_text(user + squid_conf(hosts), encoding="utf-8")
    done = subprocess.run([program(), "-k", "parse", "-f", file], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line or "FATAL" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize(("hosts", "status"), [((), 403), (("127.0.0.0/8",), 200)])
def test_a_private_address_answers_only_where_it_is_declared(
    tmp_path: Path, hosts: tuple[str, ...], status: int
) -> None:
    """By a port that is none of the web's."""
    with serving("crm", "127.0.0.1") as crm, squid(tmp_path, hosts) as proxy:
        connection = HTTPConnection("127.0.0.1", proxy, timeout=PATIENCE_S)
        connection.request("GET", f"http://127.0.0.1:{crm.server_address[1]}/v1/x")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == status
        assert (b'"by": "crm"' in body) == (status == 200)
