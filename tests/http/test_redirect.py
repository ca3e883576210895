"""The plain port beside HTTPS: where it sends clients, and where it does not."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.errors import FreeholdError
from freehold.http import bind
from freehold.http.certificate import CertificateFiles
from freehold.http.redirect import CHALLENGES
from freehold.http.tls import Https
from freehold.telemetry import Telemetry
from tests.pki import Authority


class Awaited:
    """A renewal that has one challenge to answer and whose authority has refused so far."""

    error = FreeholdError("acme_refused", directory="https://ca.example/dir", reason="not today")
    challenges: Mapping[str, bytes] = {"token": b"token.thumbprint"}
    busy = False

    def start(self) -> None:
        """Nothing is renewed."""

    def stop(self) -> None:
        """Nothing ends."""


Plain = Callable[..., tuple[Any, httpx.Client]]


@pytest.fixture
def plain(serving: Callable[..., Any], tmp_path: Path) -> Iterator[Plain]:
    """Starts HTTPS with a plain port, and gives the server and a client of that port."""
    clients = []

    def start(*, issued: bool = True, names: tuple[str, ...] = ("models.corp.example", "*.w.example")) -> Any:
        authority = Authority(tmp_path / "pki")
        pair = authority.issue(names=names)
        place = pair.certificate if issued else tmp_path / "none.pem"
        files = CertificateFiles(place, pair.key, names)
        https = Https(files, Telemetry("t", process=False), hsts_s=60, renewal=Awaited())
        https.plain = bind("127.0.0.1", 0)
        port = https.plain.getsockname()[1]
        live = serving(https=https)
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        return live, clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.mark.parametrize("host", ["models.corp.example", "MODELS.corp.example:8080", "a.w.example"])
def test_clients_are_sent_to_the_same_place_over_https(plain: Plain, host: str) -> None:
    """308 keeps the method; path and query stay as they were written; no HSTS where RFC 6797 forbids it."""
    live, client = plain()
    answer = client.post("/v1/a%2Fb?x=1&y=%20", content=b"{}", headers={"host": host})
    name = host.partition(":")[0]
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{name}:{live.port}/v1/a%2Fb?x=1&y=%20"
    assert "strict-transport-security" not in answer.headers
    assert "date" in answer.headers


ELSEWHERE = (
    *("evil.example", "models.corp.example.evil.example", "x@models.corp.example", "a.b.w.example", "", "[::1"),
    *("evil/x.w.example", "evil?.w.example", "evil#.w.example", "evil\\.w.example", "e vil.w.example", ".w.example"),
)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_nobody_is_sent_elsewhere(plain: Plain, host: str) -> None:
    """A name that the certificate is not for is an error without a location."""
    _, client = plain()
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert answer.json()["error"]["code"] == "tls_host_unknown"


def test_a_path_cannot_change_the_host(plain: Plain) -> None:
    """Two slashes, or another address as the target, end on this server."""
    live, client = plain()
    port = client.base_url.port
    for target, path in (("//evil.example/x", "//evil.example/x"), ("http://evil.example/x", "/x")):
        spoken = type(live.connect())(port)
        spoken.send(f"GET {target} HTTP/1.1\r\nHost: models.corp.example\r\n\r\n".encode())
        assert spoken.answer().headers["location"] == f"https://models.corp.example:{live.port}{path}"
        spoken.close()


def test_an_authority_gets_its_proof(plain: Plain) -> None:
    """Under any name; a token that nobody asked for is 404, also one that climbs."""
    _, client = plain()
    answer = client.get(f"{CHALLENGES}token")
    assert (answer.status_code, answer.content) == (200, b"token.thumbprint")
    for token in ("other", "", "../token", "token/x"):
        assert client.get(f"{CHALLENGES}{token}").status_code in (400, 404)


def test_probes_are_answered_in_plain(plain: Plain) -> None:
    """What starts containers has no certificate to show."""
    _, client = plain()
    assert client.get("/livez").status_code == 200


def test_the_first_certificate_is_awaited_aloud(plain: Plain) -> None:
    """503 with what the authority said, also for readiness; alive all the same. HTTPS shakes no hand yet."""
    live, client = plain(issued=False)
    for path in ("/readyz", "/v1/models"):
        answer = client.get(path, headers={"host": "models.corp.example"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "certificate_awaited")
        assert "not today" in answer.json()["error"]["message"]
    assert client.get("/livez").status_code == 200
    assert client.get(f"{CHALLENGES}token").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{live.port}/livez", verify=False)
