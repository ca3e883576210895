"""How a Dify is reached: straight, with the configuration's authority, never redirected silently."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.dify.console import Door, open_console, wire
from freehold.deploy.dify.console.wire import Request, wired
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import POLL_S, Opened, account, door, tls
from tests.dify_console.server import serving
from tests.dify_console.state import Dify
from tests.pki import Authority

PROXY = {"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "example.com"}


def test_no_proxy_stands_between(dify: Dify, said: list[str]) -> None:
    """Neither the environment's nor the configuration's: the address was declared."""
    with serving(dify):
        behind = Door(dify.url.replace("127.0.0.1", "localhost"), Network(proxy="http://127.0.0.1:9"), PROXY, 5, POLL_S)
        with open_console(behind, account(), said.append) as console:
            assert console.models.listed() == ()


@pytest.mark.parametrize("tail", ["", "/", "/console/api", "/console/api/"])
def test_the_address_may_name_the_api(dify: Dify, said: list[str], tail: str) -> None:
    """As people copy it from elsewhere."""
    with serving(dify):
        named = Door(dify.url + tail, Network(), {}, 5, POLL_S)
        with open_console(named, account(), said.append) as console:
            assert console.models.listed() == ()


@pytest.mark.parametrize("address", ["dify.corp.local", "ftp://dify.corp.local", "https://", ""])
def test_what_is_no_address_is_told(address: str) -> None:
    """Before anything is asked."""
    with pytest.raises(FreeholdError, match=r"\[dify_console_unreachable\]"), wired(Door(address, Network(), {})):
        pass


def test_a_certificate_of_nobody_is_told(dify: Dify, tmp_path: Path, said: list[str]) -> None:
    """With the line that is lacking; it is not waited for."""
    with (
        serving(dify, tls(Authority(tmp_path))),
        pytest.raises(FreeholdError, match=r"\[dify_console_untrusted\]") as untrusted,
        open_console(door(dify), account(), said.append),
    ):
        pass
    assert "network: {ca: PATH}" in untrusted.value.fix
    assert dify.asked == []


def test_a_redirect_is_told_and_not_followed(opened: Opened, dify: Dify) -> None:
    """From http to https, say: the address to write is in the fix."""
    dify.moved = "https://dify.corp.local"
    with pytest.raises(FreeholdError, match=r"\[dify_console_moved\]") as moved, opened(dify):
        pass
    assert "dify: {url: https://dify.corp.local}" in moved.value.fix


@pytest.mark.parametrize(("location", "code"), [("/signin?token=t-1", "absent"), ("http://other/x?token=t-1", "moved")])
def test_a_sign_in_page_in_front_is_no_console(said: list[str], location: str, code: str) -> None:
    """A page of the same host is no address to write; what stands behind its path may be a token."""
    with (
        answering(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n") as url,
        pytest.raises(FreeholdError, match=rf"\[dify_console_{code}\]") as told,
        open_console(Door(url, Network(), {}, 0.1, POLL_S), account(), said.append),
    ):
        pass
    assert "t-1" not in str(told.value)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n<title>Router</title>", "absent"),
        ("HTTP/1.1 401 No\r\nContent-Length: 13\r\n\r\n<h1>401</h1>\n", "absent"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "not_ready"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "not_ready"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "not_ready"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n" + "x" * ((1 << 20) + 1), "not_ready"),
        (
            'HTTP/1.1 200 OK\r\nSet-Cookie: a=\xe4\r\nContent-Length: 19\r\n\r\n{"step":"finished"}',
            "unreachable",
        ),
    ],
)
def test_what_is_no_dify_is_named(said: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, code: str) -> None:
    """Another page, half an answer, a wrong coding, no HTTP, an answer without end, cookies that nobody can send."""
    monkeypatch.setattr(wire, "LONGEST_BYTES", 1 << 20)
    with (
        answering(answer) as url,
        pytest.raises(FreeholdError, match=rf"\[dify_console_{code}\]"),
        open_console(Door(url, Network(), {}, 0.01, POLL_S), account(), said.append),
    ):
        pass


@contextmanager
def answering(text: str) -> Iterator[str]:
    """Answer every request with this; the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection = listening.accept()[0]
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(text.encode("latin-1"))

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_secrets_of_a_request_are_not_shown() -> None:
    """Neither its body nor what is to be hidden."""
    assert "hush" not in repr(Request("POST", "/login", {"password": "hush"}, secrets=("hush",)))
