"""The client of one repository: addresses, answers that are none, and what cannot be reached."""

import socket
import threading
from collections.abc import Callable

import httpx2
import pytest

from freehold.config import Network
from freehold.errors import FreeholdError
from freehold.store.http_client import open_client
from freehold.store.registry.client import CutError, Patience, Repository
from tests.docker_registry import Relay, answering, free_port

Open = Callable[..., Repository]


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A raw answer that closes its connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    ("place", "origin"),
    [
        ("harbor.corp/team/m", "https://harbor.corp/v2/team/m/tags/list"),
        ("harbor.corp:8443/team/m", "https://harbor.corp:8443/v2/team/m/tags/list"),
        ("127.0.0.1:5000/m", "http://127.0.0.1:5000/v2/m/tags/list"),
        ("localhost/m", "http://localhost/v2/m/tags/list"),
        ("[::1]:5000/m", "http://[::1]:5000/v2/m/tags/list"),
        ("127.evil.example/m", "https://127.evil.example/v2/m/tags/list"),
        ("docker.io/m", "https://registry-1.docker.io/v2/library/m/tags/list"),
        ("docker.io/team/m", "https://registry-1.docker.io/v2/team/m/tags/list"),
    ],
)
def test_where_a_repository_is(client: httpx2.Client, place: str, origin: str) -> None:
    """TLS everywhere but on this machine; Docker Hub's API has another name than its registry."""
    assert str(Repository(place, client).url("tags/list")) == origin


def test_tls_can_be_chosen(client: httpx2.Client) -> None:
    """A registry in the house without TLS, and one on this machine with it."""
    assert Repository("harbor.corp/m", client, plain_http=True).url("x").scheme == "http"
    assert Repository("localhost/m", client, plain_http=False).url("x").scheme == "https"


def test_a_repository_that_is_not_there_has_nothing(repository: Repository) -> None:
    """No tags, no blobs, no manifests, and no error."""
    assert repository.tags() == []
    assert not repository.has_blob(f"sha256:{'0' * 64}")
    assert not repository.has_manifest("1")
    assert repository.manifest("1") is None


def test_nobody_listens(opened: Open) -> None:
    """A port without a registry is told after a few tries, with the reason."""
    with pytest.raises(FreeholdError) as raised:
        opened(f"127.0.0.1:{free_port()}").manifest("1")
    assert raised.value.code == "registry_unreachable"
    assert "refused" in raised.value.cause


def test_a_registry_without_tls_is_told_apart(registry: str, opened: Open) -> None:
    """Asking plain HTTP for TLS names the option that helps."""
    with pytest.raises(FreeholdError) as raised:
        opened(registry, plain_http=False).manifest("1")
    assert raised.value.code == "registry_without_tls"


def test_a_certificate_that_nobody_vouches_for(opened: Open) -> None:
    """A registry with a certificate of its own is refused at once, and the fix names where its authority goes."""
    import ssl
    from pathlib import Path

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parents[2] / "gateway" / "localhost.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def shake() -> None:
            connection, _ = listening.accept()
            with connection, pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=shake, daemon=True)
        thread.start()
        with pytest.raises(FreeholdError) as raised:
            opened(f"localhost:{listening.getsockname()[1]}", plain_http=False).manifest("1")
        thread.join(20)
    assert raised.value.code == "registry_untrusted"
    assert "network" in raised.value.fix


def test_a_busy_registry_is_asked_again(opened: Open) -> None:
    """A 503 and a 429 pass; the answer after them counts."""
    busy = http("503 Service Unavailable"), http("429 Too Many Requests", b"", "Retry-After: 0")
    with answering(*busy, http("200 OK", b'{"tags": ["1"]}')) as host:
        assert opened(host).tags() == ["1"]


def test_a_registry_that_stays_broken_is_told_in_its_own_words(opened: Open) -> None:
    """After the last try its status and message are shown."""
    body = b'{"errors": [{"code": "UNAVAILABLE", "message": "disk is gone"}]}'
    with answering(http("500 Internal Server Error", body)) as host, pytest.raises(FreeholdError) as raised:
        opened(host).tags()
    assert raised.value.code == "registry_refused"
    assert "500" in raised.value.cause
    assert "disk is gone" in raised.value.cause


def test_what_is_forbidden_says_so(opened: Open) -> None:
    """A 403 is a matter of rights."""
    with answering(http("403 Forbidden", b"<html>no</html>")) as host, pytest.raises(FreeholdError) as raised:
        opened(host).tags()
    assert raised.value.code == "registry_forbidden"


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"\xff\xfe", b"[]", b'{"a":' + b"[" * 100_000])
def test_a_server_that_is_no_registry(opened: Open, body: bytes) -> None:
    """A web server that answers everything with a page is refused, not read."""
    with answering(http("200 OK", body)) as host, pytest.raises(FreeholdError) as raised:
        opened(host).tags()
    assert raised.value.code == "registry_refused"


def test_an_answer_without_end_is_not_read(opened: Open) -> None:
    """What should be a document and is larger than any is given up."""
    with answering(http("200 OK", b" " * 5_000_000)) as host, pytest.raises(FreeholdError) as raised:
        opened(host).manifest("1")
    assert "larger" in raised.value.cause


def test_redirects_in_a_circle_end(opened: Open) -> None:
    """A registry that sends us round and round is refused."""
    with (
        answering(http("307 Temporary Redirect", b"", "Location: /v2/")) as host,
        pytest.raises(FreeholdError) as raised,
    ):
        opened(host).tags()
    assert "circle" in raised.value.cause


def test_pages_in_a_circle_end(opened: Open) -> None:
    """A list whose next page is itself is refused, and not read for ever."""
    page = http("200 OK", b'{"tags": ["1"]}', 'Link: </v2/m/tags/list>; rel="next"')
    with answering(page) as host, pytest.raises(FreeholdError, match="no last page"):
        opened(host).tags()


def test_tags_come_in_pages(opened: Open) -> None:
    """`Link` leads through a long list."""
    first = http("200 OK", b'{"tags": ["1"]}', 'Link: </v2/m/tags/list?last=1>; rel="next"')
    with answering(first, http("200 OK", b'{"tags": ["2"]}')) as host:
        assert opened(host).tags() == ["1", "2"]


def test_a_cut_answer_is_asked_for_again(relay: Relay, opened: Open) -> None:
    """Short requests are repeated when the connection breaks."""
    relay.cut_after("down", 20, times=2)
    assert opened(relay.host).tags() == []


def test_a_proxy_is_used_where_one_is_configured(registry: str, relay: Relay, name: str) -> None:
    """Requests go to the proxy, but for loopback: there the proxy is left alone."""
    relay.touch = lambda way, data: (http("502 Bad Gateway", b"proxied"), True) if way == "down" else (data, False)
    with open_client(Network(proxy=f"http://{relay.host}"), {}) as client:
        away = Repository(f"registry.example/{name}", client, plain_http=True, patience=Patience(1))
        with pytest.raises(FreeholdError) as raised:
            away.tags()
        assert raised.value.code == "registry_refused"
        assert relay.up > 0
        relay.up = 0
        assert Repository(f"{registry}/{name}", client).tags() == []
        assert relay.up == 0


def test_patience_ends() -> None:
    """The last failure is raised as what it is; before it there is a pause."""
    error = FreeholdError("registry_unreachable", registry="r", reason="gone")
    patience = Patience(tries=2, first_pause_s=0.0)
    patience.wait(1, CutError(error))
    with pytest.raises(FreeholdError) as raised:
        patience.wait(2, CutError(error))
    assert raised.value is error
