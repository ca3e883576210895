"""Facts of the network, from real sockets, files and certificates."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from freehold.deploy.doctor import facts_network
from freehold.deploy.doctor.facts_network import (
    authorities,
    daemon_mirrors,
    dns,
    listening_inodes,
    mirrors,
    ports,
    proxies,
    registry,
    registry_url,
    without_password,
)
from freehold.deploy.doctor.reading import UnreadableError
from freehold.server.health import Live
from tests.pki import Authority


class Registry(BaseHTTPRequestHandler):
    """Answers as a registry that wants a name does, with a clock an hour behind or none at all."""

    answer = msgspec.json.encode(Live())
    date: str | None = "Fri, 20 Nov 2026 08:00:00 GMT"

    def do_GET(self) -> None:
        self.send_response_only({"/v2/": 401, "/livez": 200}.get(self.path, 404))
        if self.date is not None:
            self.send_header("Date", self.date)
        self.end_headers()
        if self.path == "/livez":
            self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Not on standard error."""


@pytest.fixture
def serve() -> Iterator[Callable[[str | None], int]]:
    """Starts a registry with this Date, and tells its port."""
    servers = []

    def start(date: str | None) -> int:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Dated", (Registry,), {"date": date}))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return int(server.server_address[1])

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine that runs the tests stands between them and loopback."""
    for name in facts_network.PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_names_have_addresses_or_a_reason() -> None:
    """A name that cannot be one is told as well."""
    found = dns(("freehold.invalid", "a" * 300))["resolved"]
    assert "127.0.0.1" in found["localhost"]["addresses"]
    for name in ("freehold.invalid", "a" * 300):
        assert found[name]["addresses"] == []
        assert found[name]["trouble"]


def test_a_free_port_is_free_and_a_taken_one_names_its_program() -> None:
    """By the process that has the socket, as far as it can be seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (taken,) = ports((port,))
    assert (taken["port"], taken["free"], taken["refused"], taken["ours"]) == (port, False, False, False)
    assert taken["by"].endswith(f"(pid {os.getpid()})")
    assert ports((port,)) == [{"port": port, "free": True}]


def test_a_port_where_a_freehold_answers_is_known(serve: Callable[[str | None], int]) -> None:
    """By what it says at /livez; Docker's proxy may stand in front of it."""
    (taken,) = ports((serve(None),))
    assert taken["ours"] is True


def test_a_port_beyond_the_last_is_no_crash() -> None:
    """It cannot be bound, and what else would be said of it is unknown."""
    with pytest.raises(OverflowError):
        ports((70_000,))


def test_sockets_that_listen_are_found_by_their_port() -> None:
    """The table of proc(5); connections and other ports are left out, torn lines too."""
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n"
        "   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n"
        "   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n"
        "   3: torn\n"
    )
    assert listening_inodes(table, 8080) == {"4711"}


def test_proxies_are_told_without_their_passwords() -> None:
    """Lower case goes before upper case."""
    environ = {
        "HTTPS_PROXY": "http://me:secret@proxy:3128",
        "http_proxy": "proxy:1",
        "HTTP_PROXY": "proxy:2",
        "NO_PROXY": "localhost,@",
        "ALL_PROXY": "",
    }
    assert proxies(environ) == {"http_proxy": "proxy:1", "https_proxy": "http://proxy:3128", "no_proxy": "localhost,@"}
    assert without_password("https://me:se@cret@host/a@b") == "https://host/a@b"


def test_mirrors_are_read_where_each_program_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's file or variable, apt's lists of both forms, Docker's daemon.json."""
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://u:p@pypi.corp/simple\n")
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://old/ x main\ndeb [arch=amd64] http://apt.corp/debian stable main\n"
    )
    (tmp_path / "sources.list.d" / "new.sources").write_text("Types: deb\nURIs: http://apt.corp/security\n")
    (tmp_path / "daemon.json").write_text('{"registry-mirrors": ["https://u:p@mirror.corp"]}')
    monkeypatch.setattr(facts_network, "APT_FOLDER", tmp_path)
    monkeypatch.setattr(facts_network, "DAEMON_JSON", tmp_path / "daemon.json")
    monkeypatch.setattr(facts_network, "PIP_FILES", ())
    found = mirrors({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert found == {
        "pip": ["https://pypi.corp/simple"],
        "apt": ["http://apt.corp/debian", "http://apt.corp/security"],
        "docker": ["https://mirror.corp"],
    }
    monkeypatch.setattr(facts_network, "PIP_FILES", ("~freehold-nobody/pip.conf",))  # as for a user without a home
    assert mirrors({})["pip"] == []
    assert mirrors({"PIP_INDEX_URL": "https://u:p@other/simple"})["pip"] == ["https://other/simple"]
    (tmp_path / "daemon.json").write_text('{"registry-mirrors": [}')
    assert "daemon.json" in mirrors({})["trouble"]
    (tmp_path / "daemon.json").unlink()
    assert mirrors({})["docker"] == []


@pytest.mark.parametrize("text", ["", "[]", '{"registry-mirrors": "x"}', '{"registry-mirrors": [1]}'])
def test_a_daemon_json_that_docker_refuses_is_refused(text: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        daemon_mirrors(text)


def test_files_of_authorities_tell_how_long_they_last(tmp_path: Path) -> None:
    """One that is named twice is read once; an ended one is told by its name."""
    good, ended = Authority(tmp_path / "good", "corp"), Authority(tmp_path / "old", "corp-2016", timedelta(hours=-1))
    both = tmp_path / "both.pem"
    both.write_bytes(good.file.read_bytes() + ended.file.read_bytes())
    (one,) = authorities(str(both), {"SSL_CERT_FILE": str(both)})
    assert (one["by"], one["authorities"], one["expired"]) == ("network.ca, SSL_CERT_FILE", 2, ["corp-2016"])
    assert 363 < one["days"] < 366
    (alone,) = authorities(str(ended.file), {})
    assert "days" not in alone


def test_what_is_no_authority_is_told(tmp_path: Path) -> None:
    """Absent, no certificate at all, and a server's own certificate."""
    text = tmp_path / "text"
    text.write_text("hello")
    leaf = Authority(tmp_path / "ca").issue("leaf").certificate
    found = {
        one["path"]: one
        for one in authorities(str(tmp_path / "none"), {"PIP_CERT": str(text), "SSL_CERT_FILE": str(leaf)})
    }
    assert found[str(tmp_path / "none")]["trouble"] == "No such file or directory"
    assert found[str(text)]["trouble"] == "it holds no certificate in PEM form"
    assert found[str(leaf)]["authorities"] == 0
    assert authorities(None, {}) == []


def test_a_registry_answers_and_tells_the_time(serve: Callable[[str | None], int]) -> None:
    """401 is an answer; the skew is counted from its Date."""
    found = registry(f"127.0.0.1:{serve(Registry.date)}/mirror", None)
    assert (found["status"], found["ms"] >= 0) == (401, True)
    assert found["skew_s"] != 0
    for date in (None, "yesterday"):
        assert "skew_s" not in registry(f"127.0.0.1:{serve(date)}", None)


def test_a_registry_that_is_not_reached_says_why(tmp_path: Path) -> None:
    """Nobody listens; somebody who is no web server; an authority's file that is not there; another scheme."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "refused" in registry(f"127.0.0.1:{port}", None)["trouble"]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert registry(f"127.0.0.1:{server.getsockname()[1]}", None)["trouble"]
        thread.join()
    assert registry("localhost:1", str(tmp_path / "none"))["trouble"]
    with pytest.raises(UnreadableError, match="no address"):
        registry("file:///etc", None)


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ("harbor.corp.local/mirror", "https://harbor.corp.local/v2/"),
        ("harbor.corp.local:5000", "https://harbor.corp.local:5000/v2/"),
        ("http://me:secret@plain.corp:5000/x", "http://plain.corp:5000/v2/"),
        ("localhost:5000", "http://localhost:5000/v2/"),
        ("[::1]:5000", "http://[::1]:5000/v2/"),
    ],
)
def test_the_root_of_a_registry_is_found_from_its_name(named: str, url: str) -> None:
    """The path of a mirror is not its root, and a password is not kept."""
    assert registry_url(named) == url


def test_only_what_is_named_is_asked(tmp_path: Path) -> None:
    """No registry, no fact of one; its host is resolved with the others."""
    assert "registry" not in facts_network.readers((8080,), None, None, (), {})
    found = facts_network.readers((), "localhost:1/x", None, ("freehold.invalid",), {})
    assert list(found["dns"]()["resolved"]) == ["localhost", "freehold.invalid"]
    assert found["ports"]() == []
    assert "trouble" in found["registry"]()
