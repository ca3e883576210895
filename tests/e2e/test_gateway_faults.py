"""What goes wrong behind a gateway and in its files: real clients, `freehold gateway` and `freehold serve`, and servers
that are killed, silent, absurd or not who they say they are."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml

from tests.gateway.conftest import Unruly, free_port
from tests.pki import Authority

CHUNK = 'data: {"choices": [{"index": 0, "delta": {"content": "more"}}]}\n\n'
ENDLESS = {"kind": "stream", "chunks": [CHUNK], "times": 10_000, "pause": 0.02}
DAY = timedelta(days=1)
Start = Callable[..., Unruly]


@pytest.fixture(scope="module")
def servers() -> Iterator[Start]:
    """`servers(models=...)`: one more of those that behave as they are told, by its folder's files where it has any."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Unruly:
            one = Unruly(**settings)
            stack.callback(one.stop)
            return one

        yield start


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the gateway believes."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def theirs(servers: Start) -> Unruly:
    """The server that most of these tests ask."""
    return servers(models=[{"id": "theirs"}])


def over_tls(servers: Start, authority: Authority, name: str, **issued: Any) -> Unruly:
    pair = authority.issue(name, **issued)
    pair.certificate.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    return servers(models=[{"id": name}], tls=str(pair.certificate))


@pytest.fixture(scope="module")
def gateway(shared_launch: Any, servers: Start, theirs: Unruly, authority: Authority) -> Any:
    """Before servers that answer, are down, or show a certificate that ended or is another's."""
    down = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(3)]
    models = [
        {"id": "theirs", "source": theirs.url},
        {"id": "slow", "source": theirs.url, "upstream_model": "theirs", "limits": {"deadline_s": 0.3}},
        {"id": "down", "source": down[0], "replicas": [down[1]]},
        {"id": "last", "source": down[2]},
        {"id": "ended", "source": over_tls(servers, authority, "ended", begins=-2 * DAY, life=DAY).url},
        {"id": "another", "source": over_tls(servers, authority, "another", names=("elsewhere.test",)).url},
    ]
    routes = [{"model": "lost", "to": [{"id": "down"}], "fallback": "last"}]
    config = {"models": models, "routes": routes, "network": {"ca": str(authority.file)}, "gateway": {"body_mb": 1}}
    return shared_launch(config, verb="gateway")


@pytest.fixture(scope="module", params=["gateway", "serve"])
def before_mortal(request: pytest.FixtureRequest, shared_launch: Any, servers: Start, graphs: dict[str, Path]) -> Any:
    """A node before a server that may be killed; beside a model of its own, where it is a `freehold serve`."""
    mortal = servers(models=[{"id": "mortal"}])
    models = [{"id": "mortal", "source": mortal.url}]
    if request.param == "serve":
        models.append({"id": "own", "source": str(graphs["fp32"])})
    return shared_launch({"models": models}, verb=request.param), mortal


def test_a_server_that_is_killed_within_a_stream_is_an_error_to_its_client(before_mortal: Any, soon: Any) -> None:
    """openai's client raises it, with our code; meanwhile others are told when to come back, and then answered."""
    node, mortal = before_mortal
    with openai.OpenAI(base_url=f"{node.url}/v1", api_key="unused", max_retries=0) as client:
        frames = client.chat.completions.create(
            model="mortal", messages=[], stream=True, extra_body={"behave": ENDLESS}
        )
        assert next(iter(frames)).choices[0].delta.content == "more"
        mortal.stop()
        with pytest.raises(openai.APIError) as caught:
            list(frames)
        assert caught.value.code == "upstream_cut"
        with pytest.raises(openai.InternalServerError) as refused:
            client.chat.completions.create(model="mortal", messages=[])
    assert (refused.value.status_code, refused.value.code) == (503, "upstream_unreachable")
    assert refused.value.response.headers["retry-after"] == "2"
    mortal.start()
    soon(lambda: node.ask("/v1/chat/completions", model="mortal").status_code == 200, "it is back")


def raw(*lines: str, body: str = "") -> dict[str, Any]:
    return {"kind": "raw", "raw": "\r\n".join([*lines, "", body])}


OK = "HTTP/1.1 200 OK"
EVENTS = "Content-Type: text/event-stream"
TWO_LENGTHS = (OK, "Content-Length: 1", "Transfer-Encoding: chunked")
HINTS = {"kind": "raw", "raw": "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 5000}
ELSEWHERE = ("HTTP/1.1 302 Found", "Location: http://elsewhere.test", "Content-Length: 0")


@pytest.mark.parametrize(
    ("model", "behave", "status", "code"),
    [
        ("slow", {"kind": "silence"}, 504, "upstream_slow"),
        ("theirs", {"kind": "garbage"}, 502, "upstream_garbage"),
        ("theirs", {"kind": "short", "length": "200"}, 502, "upstream_cut"),
        ("theirs", raw(*TWO_LENGTHS, body="1\r\n{\r\n0\r\n\r\n"), 502, "upstream_garbage"),
        ("theirs", raw(OK, "Transfer-Encoding: chunked", body="10000000000000000\r\n{}"), 502, "upstream_garbage"),
        ("theirs", raw(OK, *(f"X-{number}: 1" for number in range(5000)), body="{}"), 502, "upstream_garbage"),
        ("theirs", HINTS, 502, "upstream_garbage"),
        ("theirs", raw(OK, "X-One: 1\nX-Two: 2", "Content-Length: 2", body="{}"), 502, "upstream_garbage"),
        ("theirs", {"kind": "raw", "raw": '{"choices": []}'}, 502, "upstream_garbage"),
        ("theirs", raw(*ELSEWHERE), 502, "upstream_garbage"),
    ],
    ids=["silent", "ssh", "short", "smuggled", "chunk", "headers", "hints", "line-feed", "0.9", "redirected"],
)
def test_what_a_server_does_wrong_is_told(gateway: Any, model: str, behave: Any, status: int, code: str) -> None:
    """In OpenAI's shape, under a code of its own, at once or after the deadline; the next request is answered."""
    answer = gateway.ask("/v1/chat/completions", model=model, behave=behave)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "127.0.0.1" not in answer.text
    assert gateway.ask("/v1/chat/completions", model="theirs").status_code == 200


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (("HTTP/1.0 200 OK", "Content-Type: application/json"), '{"choices": []}'),
        (("HTTP/1.0 200 OK", "Content-Type: application/json", "Content-Length: 15"), '{"choices": []}'),
        (("HTTP/1.0 200 OK", EVENTS), CHUNK * 3),
        (("HTTP/1.1 100 Continue", "", OK, EVENTS, "Connection: close"), CHUNK + "data: [DONE]"),
    ],
    ids=["ends", "length", "events", "continued"],
)
def test_a_server_of_the_last_century_is_understood(gateway: Any, head: tuple[str, ...], body: str) -> None:
    """An answer may end with its connection, and a client of HTTP/1.1 gets it whole."""
    answer = gateway.ask("/v1/chat/completions", model="theirs", behave=raw(*head, body=body))
    assert (answer.status_code, answer.text) == (200, body)


def test_when_all_are_down_each_reason_is_told(gateway: Any, soon: Any) -> None:
    """503, when to come back, and of every model of the route why it does not answer: to clients and in /readyz."""

    def told() -> httpx.Response | None:
        answer: httpx.Response = gateway.ask("/v1/chat/completions", model="lost")
        return answer if answer.json()["error"]["code"] == "route_unready" else None

    answer = soon(told, "it is known that all are down")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    text = answer.json()["error"]["message"]
    assert "down: " in text
    assert "last: " in text
    assert "Connection refused" in text
    rows = {row["id"]: row for row in gateway.client.get("/readyz").json()["models"]}
    assert rows["lost"]["state"] == "failed"
    assert "Connection refused" in json.dumps(rows["lost"])


def test_a_name_that_nobody_has_is_answered_with_those_there_are(gateway: Any) -> None:
    """Routes and models."""
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused")
    with client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model='no "$model"\r\n{0}', messages=[])
    assert caught.value.code == "model_not_found"
    assert "lost, theirs, slow, down" in caught.value.message


@pytest.mark.parametrize(("model", "words"), [("ended", "has expired"), ("another", "is for another address")])
def test_a_server_with_a_wrong_certificate_is_not_asked(gateway: Any, soon: Any, model: str, words: str) -> None:
    """503 with what is wrong with it; the request does not leave."""

    def refused() -> Any:
        answer = gateway.ask("/v1/chat/completions", model=model)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unreachable")
        return words in answer.text

    soon(refused, words)
    assert words in json.dumps(gateway.client.get("/readyz").json())


@pytest.mark.parametrize(
    ("issued", "names", "code"),
    [
        ({"begins": -2 * DAY, "life": DAY}, [], "tls_certificate_expired"),
        ({"names": ("elsewhere.test",)}, ["gateway.test"], "tls_name_missing"),
    ],
)
def test_a_gateway_does_not_listen_with_a_wrong_certificate(
    freehold: Any, authority: Authority, theirs: Unruly, tmp_path: Path, issued: Any, names: list[str], code: str
) -> None:
    """Of its own: one that ended, or is for another name than clients use."""
    pair = authority.issue("own", **issued)
    tls = {"certificate": str(pair.certificate), "key": str(pair.key), "names": names}
    file = tmp_path / "freehold.yaml"
    file.write_text(yaml.safe_dump({"models": [{"id": "a", "source": theirs.url}], "server": {"tls": tls}}))
    ended = freehold("gateway", file, "--json")
    assert (ended.code, json.loads(ended.err)["error"]["code"]) == (1, code)


SELF = "- {model: me, to: [{id: me}]}"
CONTRADICT = "- {model: a, to: [{id: one}]}\n- {model: b, to: [{id: one}]}\n- {model: a, to: [{id: two}]}"


@pytest.mark.parametrize(
    ("routes", "code", "lines"),
    [(SELF, "config_route_itself", {2}), (CONTRADICT, "config_route_twice", {2, 4})],
)
def test_routes_that_make_no_sense_are_refused_before_anything_listens(
    freehold: Any, tmp_path: Path, routes: str, code: str, lines: set[int]
) -> None:
    """With the lines that are at odds: the port, which somebody else has, is not even asked for."""
    models = "models: [{id: one, source: 'http://127.0.0.1:9/v1'}, {id: two, source: 'http://127.0.0.1:9/v1'}]"
    (tmp_path / "freehold.yaml").write_text(f"routes:\n{routes}\n{models}\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = freehold("gateway", "--port", taken.getsockname()[1], "--json")
    error = json.loads(ended.err)["error"]
    assert (ended.code, error["code"]) == (1, code)
    assert all(f"freehold.yaml:{line}" in error["cause"] for line in lines)


def test_a_file_that_contradicts_itself_later_changes_nothing(
    launch: Any, soon: Any, theirs: Unruly, tmp_path: Path
) -> None:
    """What was in force stays; log, readiness and metrics show the lines, until the file is mended."""
    file = tmp_path / "freehold.yaml"
    models = [{"id": "theirs", "source": theirs.url}]
    good = yaml.safe_dump({"models": models, "routes": [{"model": "a", "to": [{"id": "theirs"}]}]})
    file.write_text(good)
    node = launch(file, verb="gateway")

    def troubles() -> Any:
        return node.client.get("/readyz").json().get("troubles")

    for broken, code in ((good + "- {model: a, to: [{id: theirs}]}\n", "config_route_twice"), ("models: [", None)):
        file.write_text(broken)
        (trouble,) = soon(lambda expected=broken: "freehold.yaml:" in str(troubles()) and troubles(), broken)
        assert code is None or trouble["code"] == code
        assert node.metric("freehold_config_broken") == 1.0
        assert node.ask("/v1/chat/completions", model="a").status_code == 200
        assert "config_refused" in node.log
        file.write_text(good)
        soon(lambda: not troubles(), "it is mended")
    assert node.metric("freehold_config_broken") == 0.0
    assert node.metric("freehold_config_load_failures_total") == 2


def test_two_gateways_that_lead_to_each_other_are_found(launch: Any, theirs: Unruly, soon: Any) -> None:
    """A request goes round no more often than it may, and both go on serving."""
    ports = [free_port(), free_port()]
    nodes = []
    for own, other in (ports, reversed(ports)):
        models = [
            {"id": "theirs", "source": theirs.url},
            {"id": "round", "source": f"http://127.0.0.1:{other}/v1", "upstream_model": "round"},
        ]
        nodes.append(launch({"models": models}, "--port", own, verb="gateway"))
    for node in nodes:
        soon(lambda one=node: one.metric("freehold_replica_ready", model="round") == 1, "it knows the other one")
    for node in nodes:
        answer = node.ask("/v1/chat/completions", model="round")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "gateway_loop")
        assert node.client.get("/livez").status_code == 200


def test_a_request_that_kills_its_server_does_not_meet_the_next(launch: Any, servers: Start, soon: Any) -> None:
    """It had arrived, on a connection that had been used before: it is not sent again, to whomever."""
    pair = [servers(models=[{"id": "pair"}]) for _ in range(2)]
    config = {"models": [{"id": "pair", "source": pair[0].url, "replicas": [pair[1].url]}]}
    node = launch(config, verb="gateway")
    soon(lambda: node.metric("freehold_replica_ready", model="pair") == 2, "both are known")
    for _ in range(4):
        assert node.ask("/v1/chat/completions", model="pair").status_code == 200
    answer = node.ask("/v1/chat/completions", model="pair", behave={"kind": "die"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_cut")
    for _ in range(4):
        assert node.ask("/v1/chat/completions", model="pair").status_code == 200
