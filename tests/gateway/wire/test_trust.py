"""Other servers over https: whom this node believes, what it shows them, and what is told when they do not agree."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from freehold.config import ModelConfig, Network
from freehold.errors import FreeholdError
from freehold.gateway.wire.trust import client_files, trouble, trust
from freehold.http.certificate import now
from tests.pki import Authority, Pair

Peer = Callable[..., str]
Front = Callable[..., Any]


class Answers(BaseHTTPRequestHandler):
    """A model server that says whose certificate it was shown."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Its list of models."""
        self._answer({"object": "list", "data": [{"id": "theirs"}]})

    def do_POST(self) -> None:
        """The name in the caller's certificate."""
        self.rfile.read(int(self.headers["content-length"]))
        shown: Any = self.connection.getpeercert()  # type: ignore[attr-defined] # a socket of TLS
        self._answer({"caller": dict(pair for (pair,) in shown["subject"])["commonName"] if shown else None})

    def _answer(self, message: object) -> None:
        body = json.dumps(message).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class Quiet(ThreadingHTTPServer):
    """A handshake that fails is what is tested."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def running(pair: Pair | None, client_ca: Path | None) -> Iterator[str]:
    server = Quiet(("127.0.0.1", 0), Answers)
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Starts model servers: `peer(pair, client_ca=None)`; without a pair it speaks plain HTTP at an https address."""
    with ExitStack() as started:
        yield lambda pair=None, client_ca=None: started.enter_context(running(pair, client_ca))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The company's own."""
    return Authority(tmp_path / "pki")


def network(authority: Authority, pair: Pair | None = None) -> Network:
    own = {} if pair is None else {"client_certificate": str(pair.certificate), "client_key": str(pair.key)}
    return Network(ca=str(authority.file), **own)


def test_a_server_of_the_companys_authority_is_asked(authority: Authority, peer: Peer, front: Front) -> None:
    """Its name is checked; nothing is shown to a server that asks for nothing."""
    node = front(ModelConfig(id="theirs", source=peer(authority.issue())), network=network(authority))
    node.wait("theirs")
    assert node.ask("theirs").json() == {"caller": None}


def test_a_server_that_asks_is_shown_our_certificate(authority: Authority, peer: Peer, front: Front) -> None:
    """Mutual TLS: it knows this node by its certificate."""
    url = peer(authority.issue(), authority.file)
    node = front(ModelConfig(id="theirs", source=url), network=network(authority, authority.issue("node-7", ())))
    node.wait("theirs")
    assert node.ask("theirs").json() == {"caller": "node-7"}


def cause(node: Any) -> str:
    node.wait("theirs", "failed")
    error = node.upstream("theirs").error
    answer = node.ask("theirs")
    assert answer.status_code >= 500
    assert error.cause in answer.json()["error"]["message"]
    return str(error.cause)


FAULTS = {
    "has expired": {"begins": timedelta(days=-5), "life": timedelta(days=1)},
    "not valid yet": {"begins": timedelta(days=5)},
    "for another name": {"names": ("other.example",)},
}


@pytest.mark.parametrize("words", FAULTS)
def test_what_is_wrong_with_their_certificate_is_named(
    authority: Authority, peer: Peer, front: Front, words: str
) -> None:
    """Over, not begun, for another name: each in its own words, in the log and to the client."""
    node = front(ModelConfig(id="theirs", source=peer(authority.issue(**FAULTS[words]))), network=network(authority))
    assert words in cause(node)


def test_a_server_of_an_unknown_authority(authority: Authority, peer: Peer, front: Front) -> None:
    """The setting that names authorities is told."""
    node = front(ModelConfig(id="theirs", source=peer(authority.issue())))
    assert "`network.ca`" in cause(node)


def test_a_server_that_wants_a_certificate_and_gets_none_or_a_strange_one(
    authority: Authority, peer: Peer, front: Front, tmp_path: Path
) -> None:
    """It wants one; it does not know whose ours is."""
    url = peer(authority.issue(), authority.file)
    bare = front(ModelConfig(id="theirs", source=url), network=network(authority))
    assert "`network.client_certificate`" in cause(bare)
    strange = Authority(tmp_path / "strange", "strange").issue("node", ())
    other = front(ModelConfig(id="theirs", source=url), network=network(authority, strange))
    assert "does not know the authority of this node's certificate" in cause(other)


def test_a_server_that_speaks_no_tls(authority: Authority, peer: Peer, front: Front) -> None:
    """An address that should begin with http://."""
    assert "http://" in cause(front(ModelConfig(id="theirs", source=peer()), network=network(authority)))


def test_our_own_files_are_checked_at_the_start(authority: Authority, tmp_path: Path) -> None:
    """Authorities and certificate, before any server is asked."""
    assert trust(Network(), now()) is None
    assert isinstance(trust(network(authority), now()), ssl.SSLContext)
    (tmp_path / "empty.pem").write_text("no certificate")
    over = authority.issue("over", (), begins=timedelta(days=-5), life=timedelta(days=1))
    wrong = Pair(authority.issue("one", ()).certificate, authority.issue("two", ()).key)
    for settings, code in (
        (Network(ca=str(tmp_path / "none.pem")), "tls_authority_unreadable"),
        (Network(ca=str(tmp_path / "empty.pem")), "tls_authority_unreadable"),
        (network(authority, over), "tls_certificate_expired"),
        (network(authority, wrong), "tls_key_mismatch"),
    ):
        with pytest.raises(FreeholdError) as caught:
            trust(settings, now())
        assert caught.value.code == code


def test_a_certificate_for_servers_needs_both_files() -> None:
    """The rules of the configuration refuse one without the other."""
    assert client_files(Network(client_certificate="a.pem")) is None
    files = client_files(Network(client_certificate="a.pem", client_key="a.key"))
    assert files is not None
    assert (files.certificate, files.key, files.use) == (Path("a.pem"), Path("a.key"), "client")


def test_what_nobody_foresaw_is_told_in_openssls_words() -> None:
    """Without addresses and files, which only stand in the whole text."""
    assert trouble(ssl.SSLError("no reason at all")) == "TLS fails (the handshake was cut)"
