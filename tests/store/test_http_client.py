"""Proxies, authorities and patience of the client, through a real proxy and real certificates."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from freehold.config import Network
from freehold.errors import FreeholdError
from freehold.store.http_client import is_distrust, open_client, retry_after_s, routes, unreachable_because
from tests.forward_proxy import OTHERWISE, Authority, Proxy, authority, forward_proxy
from tests.model_hub import Fault, ModelHub, serving

LIST = "/api/models/org/m?blobs=true"


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy that asks for no login; each test's own, since a hub may get the port that one before it had."""
    with forward_proxy(tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A company's own authority."""
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    """A hub that is not called loopback."""
    with serving(ModelHub(), host=OTHERWISE) as hub:
        hub.add("org/m", {"config.json": b"{}"})
        yield hub


@pytest.fixture
def tls_hub(corp: Authority) -> Iterator[ModelHub]:
    """The same with TLS."""
    with serving(ModelHub(), corp.server, OTHERWISE) as hub:
        hub.add("org/m", {"config.json": b"{}"})
        yield hub


def ask(url: str, environ: Mapping[str, str], network: Network | None = None) -> int:
    with open_client(network or Network(), environ) as client:
        return client.get(url + LIST).status_code


def asked(proxy: Proxy, hub: ModelHub) -> list[str]:
    """What the proxy has seen of a hub: methods."""
    port = hub.url.rsplit(":", 1)[1]
    return [line.split()[0] for line in proxy.requests() if f":{port}" in line]


def test_plain_requests_go_through_the_proxy(proxy: Proxy, hub: ModelHub) -> None:
    """Of the environment, in either case of its letters."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        assert ask(hub.url, {name: proxy.url}) == 200
    assert asked(proxy, hub) == ["GET"] * 3
    assert all("tinyproxy" in seen.headers["via"] for seen in hub.seen)


def test_tls_goes_through_a_tunnel(proxy: Proxy, tls_hub: ModelHub, corp: Authority) -> None:
    """CONNECT; the proxy does not see what is said in it."""
    assert ask(tls_hub.url, {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(corp.ca)}) == 200
    assert asked(proxy, tls_hub) == ["CONNECT"]
    assert "via" not in tls_hub.seen[-1].headers


def test_the_configuration_names_both(proxy: Proxy, tls_hub: ModelHub, corp: Authority) -> None:
    """Its proxy goes before the environment's, and may itself refer to a variable; its authority is trusted besides."""
    for written in (proxy.url, "${env:CORP_PROXY}"):
        network = Network(ca=str(corp.ca), proxy=written)
        assert ask(tls_hub.url, {"CORP_PROXY": proxy.url, "HTTPS_PROXY": "http://127.0.0.1:9"}, network) == 200
    assert asked(proxy, tls_hub) == ["CONNECT"] * 2


def test_a_proxy_with_a_login(hub: ModelHub, tmp_path: Path) -> None:
    """From the variable; without it the refusal is told, and never the password."""
    with forward_proxy(tmp_path, "user secret") as proxy:
        assert ask(hub.url, {"HTTP_PROXY": proxy.url.replace("//", "//user:secret@")}) == 200
        assert ask(hub.url, {"HTTP_PROXY": proxy.url}) == 407
        wrong = {"HTTPS_PROXY": proxy.url.replace("//", "//user:wrong@")}
        with open_client(Network(), wrong) as client, pytest.raises(httpx2.ProxyError) as failure:
            client.get("https://0.0.0.0:9/")
        assert unreachable_because(failure.value).startswith("the proxy refused: 40")  # 407; tinyproxy says 401
        assert "wrong" not in unreachable_because(failure.value)


@pytest.mark.parametrize("spared", [OTHERWISE, "*", "10.0.0.0/8, 0.0.0.0/8", "corp.example,0.0.0.0"])
def test_no_proxy(proxy: Proxy, hub: ModelHub, spared: str) -> None:
    """Spares hosts, networks, and everything; also of the configuration's proxy."""
    assert ask(hub.url, {"HTTP_PROXY": proxy.url, "NO_PROXY": spared}) == 200
    assert ask(hub.url, {"no_proxy": spared}, Network(proxy=proxy.url)) == 200
    assert asked(proxy, hub) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_never_goes_through_a_proxy(proxy: Proxy, hub: ModelHub, host: str) -> None:
    """Whoever names it."""
    url = hub.url.replace(OTHERWISE, host)
    assert ask(url, {"HTTP_PROXY": proxy.url}, Network(proxy=proxy.url)) == 200
    assert asked(proxy, hub) == []


def test_hosts_of_no_proxy_as_curl_reads_them() -> None:
    """A name means its subdomains too, one with a dot before it only those."""
    found = routes(Network(), {"NO_PROXY": "corp.example, .only.sub,10.0.0.0/8,1.2.3.4,::1,[fe80::]/10,localhost,a:80"})
    assert [pattern for pattern in found if found[pattern] is None][:8] == [
        "all://*corp.example",
        "all://*.only.sub",
        "all://10.0.0.0/8",
        "all://1.2.3.4",
        "all://[::1]",
        "all://[fe80::]/10",
        "all://localhost",
        "all://a:80",
    ]


@pytest.mark.parametrize("written", ["http://:bad port", "ftp://proxy:21", "socks5://proxy:1080", "://"])
def test_a_proxy_that_is_none(written: str) -> None:
    """Is told without its text, in which a password may stand."""
    with pytest.raises(FreeholdError) as failure:
        open_client(Network(), {"HTTPS_PROXY": written})
    assert failure.value.code == "network_proxy_invalid"
    assert "proxy:" not in failure.value.cause


def test_an_unknown_authority(tls_hub: ModelHub) -> None:
    """Is told from a server that is not there."""
    with open_client(Network(), {}) as client, pytest.raises(httpx2.ConnectError) as failure:
        client.get(tls_hub.url)
    assert is_distrust(failure.value)
    with open_client(Network(), {}) as client, pytest.raises(httpx2.ConnectError) as failure:
        client.get("http://127.0.0.1:9")
    assert not is_distrust(failure.value)
    assert "refused" in unreachable_because(failure.value)


@pytest.mark.parametrize("setting", ["network.ca", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_authorities_that_cannot_be_read(tmp_path: Path, setting: str) -> None:
    """The setting is named: a file that is not there, and one that is no PEM."""
    (tmp_path / "no.pem").write_text("nothing")
    places = [tmp_path / "none"] if setting == "SSL_CERT_DIR" else [tmp_path / "none", tmp_path / "no.pem"]
    for place in places:
        network = Network(ca=str(place)) if setting == "network.ca" else Network()
        with pytest.raises(FreeholdError) as failure:
            open_client(network, {setting: str(place)} if network.ca is None else {})
        assert failure.value.code == "network_ca_unreadable"
        assert failure.value.details["setting"] == setting


def test_authorities_of_a_folder(tls_hub: ModelHub, corp: Authority, tmp_path: Path) -> None:
    """SSL_CERT_DIR, as OpenSSL names the files in it, serves beside the configuration's."""
    assert ask(tls_hub.url, {"SSL_CERT_DIR": str(tmp_path)}, Network(ca=str(corp.ca))) == 200


def test_silence_ends(hub: ModelHub) -> None:
    """A server that accepts and says nothing more is given up."""
    hub.faults["config.json"] = [Fault(after=1, silent=True)]
    with open_client(Network(), {}, silence_s=0.2) as client, pytest.raises(httpx2.ReadTimeout) as failure:
        client.get(f"{hub.url}/org/m/resolve/main/config.json")
    assert "silent" in unreachable_because(failure.value)


def test_a_redirect_to_another_host_takes_no_authorization(hub: ModelHub) -> None:
    """The storage behind a hub learns no token."""
    hub.add("org/large", {"model.safetensors": b"x" * 4000})
    with open_client(Network(), {}) as client:
        answer = client.get(
            f"{hub.url}/org/large/resolve/main/model.safetensors", headers={"Authorization": "Bearer t"}
        )
    assert answer.content == b"x" * 4000
    assert ["authorization" in seen.headers for seen in hub.seen] == [True, False]


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("²", 0.0)])
def test_what_a_server_asks_to_wait(header: str, seconds: float) -> None:
    """In seconds; a date counts as nothing."""
    assert retry_after_s(httpx2.Response(503, headers={"Retry-After": header.encode()})) == seconds
