"""Pebble, Let's Encrypt's own ACME server for tests, with its DNS server: every name is this machine."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.pki import Authority

PATIENCE_S = 20.0  # only a broken test waits this long


@dataclass(frozen=True)
class Pebble:
    """A running one: `http_port` is where it asks whether a name is ours; its directory's certificate is of `ca`."""

    directory: str
    http_port: int
    ca: Path
    root: Path
    """Of the certificates that it issues; it makes a new one at each start."""


@contextmanager
def pebble(folder: Path, validity_s: int) -> Iterator[Pebble]:
    """A Pebble whose certificates last `validity_s` seconds."""
    http_port, port, management, dns, dns_management = (free_port() for _ in range(5))
    authority = Authority(folder, "pebble-authority")
    pair = authority.issue("pebble")
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(pair.certificate),
        "privateKey": str(pair.key),
        "httpPort": http_port,
        "tlsPort": 1,
        "certificateValidityPeriod": validity_s,
    }
    config = folder / "pebble.json"
    config.write_text(json.dumps({"pebble": settings}))
    names = ["-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{dns_management}", "-defaultIPv6", ""]
    with ExitStack() as started:
        unused = [word for name in ("http01", "https01", "tlsalpn01") for word in (f"-{name}", "")]
        started.enter_context(_running([_found("pebble-challtestsrv"), *names, *unused]))
        started.enter_context(_running([_found("pebble"), "-config", str(config), "-dnsserver", f"127.0.0.1:{dns}"]))
        with httpx.Client(verify=authority.context(), trust_env=False) as client:
            root = _eventually_get(client, f"https://127.0.0.1:{management}/roots/0")
            _eventually_get(client, f"https://127.0.0.1:{port}/dir")
        (folder / "pebble-root.pem").write_bytes(root)
        yield Pebble(f"https://127.0.0.1:{port}/dir", http_port, authority.file, folder / "pebble-root.pem")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    without_delays = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with subprocess.Popen(command, env=without_delays, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def _found(program: str) -> str:
    place = shutil.which(program)
    assert place is not None, f"{program} is missing: apt-get install pebble"
    return place


def _eventually_get(client: httpx.Client, url: str) -> bytes:
    limit = time.monotonic() + PATIENCE_S
    while True:
        try:
            return client.get(url).raise_for_status().content
        except httpx.TransportError:
            assert time.monotonic() < limit, f"{url} does not answer"
            time.sleep(0.02)
