"""HTTPS from the configuration to an answer, and what `config check` says of certificates."""

import importlib.util
import os
import socket
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.cli.https import certificate_files, certificates, open_https
from freehold.config import Acme, Config, Network, Server, Tls
from freehold.errors import FreeholdError
from freehold.http.acme import acme_files, store
from freehold.telemetry import Telemetry
from tests.pebble import free_port
from tests.pki import Authority, Pair

Freehold = Callable[..., Any]
ACME = Acme(("a.example",), "https://127.0.0.1:1/dir", accept_terms=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs."""
    return Authority(tmp_path / "pki")


def own(pair: Pair, **settings: Any) -> Config:
    return Config(server=Server(tls=Tls(str(pair.certificate), str(pair.key), **settings)))


def opened(config: Config, home: Path) -> Any:
    return open_https(config, "127.0.0.1", home, Telemetry("test", process=False), {})


def fault(config: Config, home: Path) -> str:
    with pytest.raises(FreeholdError) as caught:
        opened(config, home)
    return caught.value.code


def test_plain_http_where_nothing_else_is_wanted(tmp_path: Path) -> None:
    """No certificate is looked for."""
    assert opened(Config(), tmp_path) is None


def test_a_certificate_of_ones_own_is_judged_before_any_port_is_taken(authority: Authority, tmp_path: Path) -> None:
    """Also the names that the configuration wants; a good one is loaded and its plain port bound."""
    port = free_port()
    over = authority.issue(begins=timedelta(days=-2), life=timedelta(days=1))
    assert fault(own(over, http_port=port), tmp_path) == "tls_certificate_expired"
    assert fault(own(authority.issue(), names=("other.example",), http_port=port), tmp_path) == "tls_name_missing"
    https = opened(own(authority.issue(), names=("localhost",), http_port=port, hsts_s=5), tmp_path)
    assert (https.host, https.hsts_s, https.plain.getsockname()) == ("localhost", 5, ("127.0.0.1", port))
    https.plain.close()


def test_acme_starts_without_a_certificate(tmp_path: Path) -> None:
    """Its folder is made for this user alone; a home that cannot be written is said at once."""
    https = opened(Config(server=Server(tls=Tls(acme=ACME))), tmp_path / "home")
    assert (https.certificate, https.names) == (None, ("a.example",))
    assert (tmp_path / "home" / "tls" / "127.0.0.1-1-dir").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    assert fault(Config(server=Server(tls=Tls(acme=ACME))), tmp_path / "file") == "acme_home_unwritable"


def test_acme_without_its_package_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An optional package."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("freehold.cli.https.find_spec", lambda name: None)
    with pytest.raises(FreeholdError) as caught:
        certificate_files(Tls(acme=ACME), tmp_path)
    assert caught.value.code == "acme_missing"
    assert 'pip install "freehold[acme]"' in caught.value.fix


def test_every_certificate_is_judged_by_itself(authority: Authority, tmp_path: Path) -> None:
    """One that is wrong does not hide what is to be said of the other."""
    mine = authority.issue("node", (), begins=timedelta(days=-80))
    network = Network(client_certificate=str(mine.certificate), client_key=str(mine.key))
    wrong = own(Pair(authority.issue("a").certificate, authority.issue("b").key))
    problems, notes, found = certificates(Config(server=wrong.server, network=network), tmp_path)
    assert [problem.code for problem in problems] == ["tls_key_mismatch"]
    assert [note.code for note in notes] == ["note_tls_ends_soon"]
    assert found == [{"path": str(mine.certificate), "names": [], "days_left": pytest.approx(10, abs=0.1)}]


def test_authorities_that_cannot_be_read_are_problems(authority: Authority, tmp_path: Path) -> None:
    """Of clients and of upstreams."""
    config = Config(
        server=own(authority.issue(), client_ca=str(tmp_path / "none.pem")).server,
        network=Network(ca=str(tmp_path / "none.pem")),
    )
    problems, _, _ = certificates(config, tmp_path)
    assert [problem.details["setting"] for problem in problems] == ["server.tls.client_ca", "network.ca"]


def test_a_certificate_by_acme_may_be_missing_but_not_wrong(authority: Authority, tmp_path: Path) -> None:
    """Before the first start there is none; afterwards its days are told."""
    config = Config(server=Server(tls=Tls(acme=ACME)))
    assert certificates(config, tmp_path) == ([], [], [])
    pair = authority.issue(names=("a.example",))
    store(acme_files(tmp_path, ACME).certificate, pair.key.read_bytes() + pair.certificate.read_bytes())
    problems, _, found = certificates(config, tmp_path)
    assert (problems, found[0]["names"]) == ([], ["a.example"])


def test_config_check_tells_faults_and_days(freehold: Freehold, folder: Path, mlp: Path) -> None:
    """In text and as data; a fault is exit code 1."""
    pair = Authority(folder / "pki").issue(names=("localhost",), life=timedelta(days=31))
    text = (
        f"models: [{{id: m, source: {mlp}}}]\nserver: {{tls: {{certificate: pki/server.pem, key: pki/server.key}}}}\n"
    )
    (folder / "freehold.yaml").write_text(text)
    fine = freehold("config", "check", "--json")
    assert (fine.code, fine.data["certificates"][0]["names"]) == (0, ["localhost"])
    assert f"{pair.certificate}: localhost, 30.0 days left" in freehold("config", "check").out
    assert "剩余 30.0 天" in freehold("config", "check", "--lang", "zh").out
    pair.key.unlink()
    broken = freehold("config", "check", "--json")
    assert (broken.code, broken.data["problems"][0]["code"]) == (1, "tls_file_missing")


def test_serve_answers_over_https_and_sends_plain_clients_there(
    serve: Callable[..., Any], freehold: Freehold, folder: Path, mlp: Path
) -> None:
    """The process as a user starts it, with mutual TLS; its banner shows the address by the certificate's name."""
    authority = Authority(folder / "pki")
    authority.issue(names=("localhost",))
    port = free_port()
    tls = f"{{certificate: pki/server.pem, key: pki/server.key, client_ca: pki/authority.pem, http_port: {port}}}"
    (folder / "freehold.yaml").write_text(f"models: [{{id: m, source: {mlp}}}]\nserver: {{tls: {tls}}}\n")
    node = serve()
    url = node.banner["url"]
    assert url.startswith("https://localhost:")
    known = authority.issue("client", ()).client_context(authority)
    with httpx.Client(verify=known, trust_env=False) as client:
        answer = client.get(f"{url}/readyz")
        assert (answer.status_code, answer.headers["strict-transport-security"]) == (200, "max-age=31536000")
        assert "freehold_certificate_expiry_timestamp_seconds" in client.get(f"{url}/metrics").text
        sent = client.get(f"http://localhost:{port}/v2/models/m", follow_redirects=True)
        assert (sent.status_code, sent.url.scheme) == (200, "https")
        assert client.get(f"http://localhost:{port}/readyz").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/readyz", verify=ssl.create_default_context(cafile=os.fspath(authority.file)))
    (folder / "pki/server.key").rename(folder / "pki/aside.key")
    with httpx.Client(verify=known, trust_env=False) as client:
        limit = time.monotonic() + 20.0
        while "troubles" not in (readiness := client.get(f"{url}/readyz").json()):
            assert time.monotonic() < limit, "the broken certificate is not told"
            time.sleep(0.1)
    assert (readiness["ready"], readiness["troubles"][0]["code"]) == (True, "tls_file_missing")
    assert "certificate" in freehold("ps", "--url", url, "--json").error["cause"]
    network = "network: {ca: pki/authority.pem, client_certificate: pki/client.pem, client_key: pki/client.key}\n"
    (folder / "freehold.yaml").write_text(f"models: [{{id: m, source: {mlp}}}]\n{network}")
    assert freehold("ps", "--url", url, "--json").data["ready"] is True
    assert node.leave() == 0


def test_an_order_that_never_ends_holds_nobody(serve: Callable[..., Any], folder: Path, mlp: Path) -> None:
    """An authority that accepts the connection and says nothing: the server starts, waits aloud, and leaves at once."""
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        directory = f"http://127.0.0.1:{silent.getsockname()[1]}/dir"
        acme = f"{{domains: [a.example], directory: '{directory}', accept_terms: true}}"
        tls = f"{{http_port: {port}, acme: {acme}}}"
        (folder / "freehold.yaml").write_text(f"models: [{{id: m, source: {mlp}}}]\nserver: {{tls: {tls}}}\n")
        node = serve()
        assert node.banner["url"].startswith("https://a.example:")
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "certificate_awaited")
        assert node.leave() == 0
