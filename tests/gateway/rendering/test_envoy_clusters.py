"""Envoy's clusters, by a real Envoy: replicas, keys, those who answer for others, encryption, bounds."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from freehold.gateway.rendering.envoy import render
from freehold.gateway.rendering.envoy_names import CALLERS
from freehold.gateway.rendering.plan import Plan
from tests.gateway.rendering.conftest import Upstream, configured, envoy, free_port
from tests.gateway.rendering.name_server import NameServer
from tests.pki import Authority

CHAT = "/v1/chat/completions"


@contextmanager
def fronted(
    folder: Path, *, environ: dict[str, str] | None = None, asking: str = "", **settings: Any
) -> Iterator[httpx.Client]:
    """A client of an Envoy with this configuration, which asks the name server `asking` in place of the machine's."""
    port = free_port()
    settings["server"] = {"port": port, **settings.get("server", {})}
    files = render(Plan.of(configured(port, **settings))).files
    if asking:
        files = {name: _asking(asking, text) for name, text in files.items()}
    with envoy(files, folder, port, **(environ or {})) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def _asking(name_server: str, text: str) -> str:
    tree = yaml.safe_load(text)
    host, port = name_server.split(":")
    resolver = {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [{"socket_address": {"address": host, "port_value": int(port)}}],
        },
    }
    for cluster in tree["static_resources"]["clusters"]:
        cluster |= {"typed_dns_resolver_config": resolver, "dns_refresh_rate": "0.1s"}
    return str(yaml.safe_dump(tree))


def source(upstream: Upstream, **more: object) -> dict[str, object]:
    return {"id": upstream.name, "source": upstream.url, **more}


def by(answer: httpx.Response) -> str:
    """Who answered: as the upstream says, and as the header says."""
    assert answer.status_code == 200, answer.text
    said: str = json.loads(answer.content)["by"]
    assert answer.headers["x-freehold-model"] == said
    return said


def test_keys_are_read_at_the_start_and_clients_own_are_not_sent_on(tmp_path: Path) -> None:
    """From the environment, and from a file whose last line ends; a model without a key gets none."""
    (tmp_path / "key").write_text("of-two\n")
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(Upstream(name).running()) for name in ("one", "two", "three"))
        keys = ["${env:ONE_KEY}", f"${{file:{tmp_path}/key}}", None]
        models = [source(upstream, key=key) for upstream, key in zip((one, two, three), keys, strict=True)]
        client = stack.enter_context(fronted(tmp_path, environ={"ONE_KEY": "of-one"}, models=models))
        own = dict.fromkeys((*CALLERS, "x-forwarded-for"), "of-the-client")
        for name in ("one", "two", "three"):
            client.post(CHAT, json={"model": name}, headers=own)
    sent = [upstream.seen[0].headers for upstream in (one, two, three)]
    assert [headers.get("authorization") for headers in sent] == ["Bearer of-one", "Bearer of-two", None]
    assert not any({*CALLERS[1:]} & headers.keys() for headers in sent)
    assert {headers["x-forwarded-for"] for headers in sent} == {"of-the-client"}  # as it came


def test_others_answer_for_a_model_that_is_down(tmp_path: Path) -> None:
    """The route's next model, then its fallback, at once and with the first request; paths with a name wait for it."""
    first, second, last = (Upstream(name) for name in ("first", "second", "last"))
    routes = [{"model": "chat", "to": [{"id": "first"}, {"id": "second", "weight": 0}], "fallback": "last"}]
    models = [source(upstream) for upstream in (first, second, last)]
    with ExitStack() as stack:
        stack.enter_context(second.running())
        stack.enter_context(last.running())
        client = stack.enter_context(fronted(tmp_path, models=models, routes=routes))
        assert by(client.post(CHAT, json={"model": "chat"})) == "last"
        refusal = client.post("/v2/models/chat/infer", json={})
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (503, "model_unanswered")
        assert refusal.headers["retry-after"] == "1"
        assert second.seen == []


def test_one_replica_stands_in_for_another(tmp_path: Path) -> None:
    """No request fails, and one that is down is soon not asked; a request that arrived is not sent twice."""
    up, down = Upstream("one"), Upstream("one")
    models = [source(up, replicas=[down.url])]
    with up.running(), fronted(tmp_path, models=models, gateway={"eject_failures": 2}) as client:
        assert {by(client.post(CHAT, json={"model": "one"})) for _ in range(12)} == {"one"}
        assert len(up.seen) == 12
        up.status = 503
        assert client.post(CHAT, json={"model": "one"}).status_code == 503
        assert len(up.seen) == 13


def test_a_full_model_gets_no_more(tmp_path: Path, soon: Any) -> None:
    """Beyond its bound one request waits; one more is refused at once."""
    one = Upstream("one", held=threading.Event())
    assert one.held is not None
    models = [source(one, limits={"concurrency": 1})]
    with one.running(), fronted(tmp_path, models=models) as client, ThreadPoolExecutor(3) as crowd:
        asked = [crowd.submit(client.post, CHAT, json={"model": "one"})]
        soon(lambda: one.seen, "it is busy")
        asked += [crowd.submit(client.post, CHAT, json={"model": "one"}) for _ in range(2)]
        soon(lambda: any(answer.done() for answer in asked), "one is refused")
        assert len(one.seen) == 1
        one.held.set()
        assert sorted(answer.result().status_code for answer in asked) == [200, 200, 503]


def test_a_server_that_falls_silent_is_told_of(tmp_path: Path) -> None:
    """After the time that its bytes may take, as the gateway does."""
    one = Upstream("one", held=threading.Event())
    assert one.held is not None
    models = [source(one, limits={"deadline_s": 0.2})]
    with one.running(), fronted(tmp_path, models=models) as client:
        answer = client.post(CHAT, json={"model": "one"})
        one.held.set()
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "model_silent")
    assert len(one.seen) == 1


def test_a_client_that_is_slow_and_a_server_that_talks_nonsense_are_told_of(tmp_path: Path) -> None:
    """Both in our words: 408 for a body that does not come, 502 for an answer that is no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        models = [{"id": "one", "source": f"http://127.0.0.1:{listening.getsockname()[1]}/v1"}]
        pool.submit(_talk_nonsense, listening)
        with fronted(tmp_path, server={"body_timeout_s": 0.3}, models=models) as client:
            nonsense = client.post(CHAT, json={"model": "one"})
            slow = client.post(CHAT, content=_drop(), headers={"content-length": "100"})
    assert (nonsense.status_code, nonsense.json()["error"]["code"]) == (502, "upstream_garbage")
    assert (slow.status_code, slow.json()["error"]["code"]) == (408, "slow_client")


def _talk_nonsense(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"nonsense\r\n\r\n")


def _drop() -> Iterator[bytes]:
    yield b"{"
    time.sleep(0.6)
    yield b" " * 99


def test_a_host_by_name_is_looked_up_again(tmp_path: Path, soon: Any) -> None:
    """A server that comes back at another address is found there, and is told its name as `Host`."""
    name_server = NameServer({"one.test": "127.0.0.2"})
    port = free_port()
    first, second = (Upstream(f"one-{last}", host=f"127.0.0.{last}", port=port) for last in (2, 3))
    models = [{"id": "one", "source": f"http://one.test:{port}/v1"}]
    with name_server.running(), fronted(tmp_path, asking=name_server.address, models=models) as client:
        with first.running():
            assert client.post(CHAT, json={"model": "one"}).json() == {"by": "one-2"}
        name_server.addresses["one.test"] = "127.0.0.3"
        with second.running():
            soon(lambda: client.post(CHAT, json={"model": "one"}).status_code == 200, "it is found")
            assert second.seen[0].headers["host"] == f"one.test:{port}"


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("other.example", 503)])
def test_an_upstreams_certificate_must_be_of_its_name(tmp_path: Path, name: str, status: int) -> None:
    """One of our authority for that host is taken, one for another is not; ours is shown where it is asked for."""
    authority = Authority(tmp_path)
    client = authority.issue("client")
    network = {"ca": authority.file, "client_certificate": client.certificate, "client_key": client.key}
    pair = authority.issue("server", (name,))
    asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    asking.load_cert_chain(pair.certificate, pair.key)
    asking.verify_mode = ssl.CERT_REQUIRED
    one = Upstream("one", tls=asking)
    models = [{"id": "one", "source": one.url.replace("127.0.0.1", "localhost")}]
    files = {key: str(path) for key, path in network.items()}
    with one.running(), fronted(tmp_path, models=models, network=files) as ask:
        assert ask.post(CHAT, json={"model": "one"}).status_code == status
    assert len(one.seen) == (status == 200)
