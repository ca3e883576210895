"""Taking a port, and leaving it without losing work."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.errors import FreeholdError
from freehold.http import Address, bind
from freehold.http.listener import _bind_error

Start = Callable[[float], tuple["subprocess.Popen[str]", Any]]


@pytest.fixture
def start(connect: Callable[[int], Any]) -> Iterator[Start]:
    """Starts `departing_server.py` with a grace time; gives the process and a client of it."""
    processes: list[subprocess.Popen[str]] = []

    def begin(grace_s: float) -> tuple["subprocess.Popen[str]", Any]:
        script = Path(__file__).with_name("departing_server.py")
        process = subprocess.Popen(
            [sys.executable, str(script), str(grace_s)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        processes.append(process)
        return process, connect(int(_line(process)))

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _post(client: Any, path: str) -> None:
    client.send(f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n".encode())


def test_a_signal_lets_what_is_in_flight_finish(start: Start) -> None:
    """SIGTERM: readiness off, no new connections, the answer, exit 0."""
    process, client = start(600.0)
    _post(client, "/finish")
    assert _line(process) == "waiting"
    process.send_signal(signal.SIGTERM)
    assert _line(process) == "draining"
    answer = client.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b'"finished"', "close")
    assert process.wait(20) == 0


def test_an_idle_connection_does_not_hold_the_server(start: Start) -> None:
    """SIGINT with nothing in flight: kept-alive connections are closed, exit 0."""
    process, client = start(600.0)
    process.send_signal(signal.SIGINT)
    assert client.closed()
    assert process.wait(20) == 0


def test_what_is_not_done_within_the_grace_time_is_told_so(start: Start) -> None:
    """503 `shutdown_cut` rather than a dead connection, exit 1."""
    process, client = start(0.05)
    _post(client, "/hang")
    assert _line(process) == "waiting"
    process.send_signal(signal.SIGTERM)
    answer = client.answer()
    assert (answer.status, answer.json["error"]["code"]) == (503, "shutdown_cut")
    assert process.wait(20) == 1


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_leaves_at_once(start: Start, second: signal.Signals) -> None:
    """Whatever the grace time is."""
    process, client = start(600.0)
    _post(client, "/hang")
    assert _line(process) == "waiting"
    process.send_signal(signal.SIGTERM)
    assert _line(process) == "draining"
    process.send_signal(second)
    assert client.answer().status == 503
    assert process.wait(20) == 1


def test_a_port_in_use_names_who_holds_it_and_a_free_one() -> None:
    """The holder is this test's own process."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(FreeholdError) as caught:
            bind("127.0.0.1", port)
    assert caught.value.code == "port_in_use"
    assert f"PID {os.getpid()} (" in caught.value.cause
    suggested = re.search(r"--port (\d+)", caught.value.fix)
    assert suggested is not None
    assert int(suggested[1]) != port


def test_a_privileged_port_is_explained() -> None:
    """The error says from which port on this user may listen."""
    error = _bind_error(PermissionError(errno.EACCES, "Permission denied"), "0.0.0.0", 80)
    assert error.code == "port_forbidden"
    assert "80" in error.cause
    assert "--port 8080" in error.fix


@pytest.mark.parametrize(
    ("host", "port"), [("203.0.113.7", 8080), ("no.such.host.invalid", 8080), ("127.0.0.1", 70000)]
)
def test_an_address_that_is_not_ours_is_explained(host: str, port: int) -> None:
    """A foreign address, an unknown name, a port beyond the range."""
    with pytest.raises(FreeholdError) as caught:
        bind(host, port)
    assert caught.value.code == "address_unavailable"
    assert host in caught.value.cause


def test_port_0_takes_any_free_one() -> None:
    """And a server can take a port again right after its predecessor left."""
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    first.close()
    second = bind("127.0.0.1", port)
    assert second.getsockname()[1] == port
    second.close()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fd00::7", "http://[fd00::7]:80"),
    ],
)
def test_the_url_is_what_one_types_on_this_machine(host: str, url: str) -> None:
    """Nobody can connect to 0.0.0.0 everywhere."""
    assert Address(host, 80).url == url
