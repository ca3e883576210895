"""Envoy's routes, by a real Envoy: paths, names there, shares, copies, streams, and what is refused."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest

from freehold.errors import FreeholdError
from freehold.gateway.rendering.envoy import render
from freehold.gateway.rendering.envoy_routes import error_body
from freehold.gateway.rendering.plan import Plan
from freehold.gateway.routing.places import PATHS
from freehold.gateway.routing.table import slot
from tests.gateway.rendering.conftest import NOT_RETURNED, Upstream, configured, envoy, free_port

CHAT = "/v1/chat/completions"
NAMES = "chat, copied, old, new"


class Fronted(NamedTuple):
    """An Envoy, who is behind it, and a client."""

    old: Upstream
    new: Upstream
    client: httpx.Client


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """Two models, one under another name there and another path; a route of both, one with copies."""
    port = free_port()
    with ExitStack() as stack:
        old, new = (stack.enter_context(Upstream(name).running()) for name in ("old", "new"))
        models = [
            {"id": "old", "source": old.url, "upstream_model": "old/there 100%"},
            {"id": "new", "source": new.url.removesuffix("/v1") + "/a%70i/v1"},
        ]
        routes = [
            {"model": "chat", "to": [{"id": "old", "weight": 95}, {"id": "new", "weight": 5}]},
            {"model": "copied", "to": [{"id": "old"}], "shadow": "old"},
        ]
        files = render(Plan.of(configured(port, models=models, routes=routes))).files
        url = stack.enter_context(envoy(files, tmp_path_factory.mktemp("envoy"), port))
        yield Fronted(old, new, stack.enter_context(httpx.Client(base_url=url, trust_env=False)))


@pytest.fixture
def fronted(started: Fronted) -> Fronted:
    """The same, with nothing asked yet."""
    for upstream in started[:2]:
        upstream.seen.clear()
        upstream.released.clear()
    return started


@pytest.mark.parametrize("path", [f"{prefix}/{path}" for path in PATHS for prefix in ("/v1", "")] + ["/v2/rerank"])
def test_a_path_of_the_openai_api_is_the_upstreams_own(fronted: Fronted, path: str) -> None:
    """With and without /v1, below what the model's URL says; the query stays as it is, byte for byte."""
    query = "?a=b%20c+d&e=%C3%A9&model_id=new"
    fronted.client.post(path + query, json={"model": "new"})
    (seen,) = fronted.new.seen
    assert seen.path == f"/a%70i/v1/{path.removeprefix('/v1/').removeprefix('/v2/').lstrip('/')}{query}"
    assert seen.headers["host"] == f"127.0.0.1:{fronted.new.port}"
    assert seen.model == "new"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/ready"), ("GET", "/config"), ("POST", "/infer"), ("POST", "/generate_stream")],
)
@pytest.mark.parametrize("version", ["", "/versions/3"])
def test_a_models_path_has_its_name_there(fronted: Fronted, method: str, path: str, version: str) -> None:
    """Of a model and of a route; the header that names it says the same."""
    for name in ("old", "copied"):
        fronted.client.request(method, f"/v2/models/{name}{version}{path}?a=b", headers={"x-model-id": name})
    assert [seen.path for seen in fronted.old.seen] == [f"/v2/models/old%2Fthere%20100%25{version}{path}?a=b"] * 2
    assert {seen.headers["x-model-id"] for seen in fronted.old.seen} == {"old/there 100%"}


def test_the_root_of_a_url_is_kept(fronted: Fronted) -> None:
    """What stands before its version."""
    fronted.client.post("/v2/models/new/infer", json={})
    assert fronted.new.seen[0].path == "/a%70i/v2/models/new/infer"


def test_the_share_is_the_hash_of_the_request_id(fronted: Fronted) -> None:
    """The same function of it as the gateway's, for each id, and the id comes back."""
    chosen: Counter[str] = Counter()
    for number in range(120):
        request_id = f"request-{number}"
        answer = fronted.client.post(CHAT, json={"model": "chat"}, headers={"x-request-id": request_id})
        chosen[answer.headers["x-freehold-model"]] += 1
        assert answer.headers["x-freehold-model"] == ("old" if slot(request_id.encode()) < 95 else "new")
        assert answer.headers["x-request-id"] == request_id
    assert chosen["new"] > 0


def test_an_id_is_made_where_there_is_none(fronted: Fronted) -> None:
    """The upstream sees the one that the client is told; what is not for clients does not come back."""
    answer = fronted.client.post(CHAT, json={"model": "new"})
    assert not NOT_RETURNED.keys() & answer.headers.keys()
    assert fronted.new.seen[0].headers["x-request-id"] == answer.headers["x-request-id"]


def test_copies_are_sent_beside(fronted: Fronted, soon: Any) -> None:
    """With the body and path of the original; the client gets one answer."""
    answer = fronted.client.post(CHAT, json={"model": "copied"})
    assert json.loads(answer.content) == {"by": "old"}
    soon(lambda: len(fronted.old.seen) == 2, "the copy is there")
    first, second = fronted.old.seen
    assert (first.path, first.body, first.headers["host"]) == (second.path, second.body, second.headers["host"])


def test_a_stream_comes_as_it_is_made(fronted: Fronted) -> None:
    """The first event is there before the second is sent."""
    with fronted.client.stream("POST", CHAT, json={"model": "new", "stream": True}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == 'data: {"by": "new"}'
        fronted.new.released.set()
        assert "data: [DONE]" in list(lines)


def test_its_own_answers(fronted: Fronted) -> None:
    """That it lives, every name, and one of them."""
    assert fronted.client.get("/healthz").json() == {"status": "ok"}
    for path in ("/v1/models", "/models"):
        assert [row["id"] for row in fronted.client.get(path).json()["data"]] == NAMES.split(", ")
        assert fronted.client.get(f"{path}/copied").json()["id"] == "copied"
        unknown = fronted.client.get(f"{path}/cop.ed")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_refusals_are_the_gateways_own(fronted: Fronted) -> None:
    """Word for word where the gateway's words do not depend on the body, in the dialect of the path."""
    ask = fronted.client
    cases = [
        (ask.post("/v1/nothing", json={"model": "new"}), 404, FreeholdError("path_not_found", path="/v1/nothing")),
        (ask.post(CHAT, json={}), 400, FreeholdError("model_not_named", served=NAMES)),
        (ask.post(CHAT, json={"model": 'a"b'}), 404, FreeholdError("model_not_found", model='a"b', served=NAMES)),
        (
            ask.post(CHAT, json={"model": "new"}, headers={"content-encoding": "br"}),
            415,
            FreeholdError("body_encoding_unsupported", encoding="br"),
        ),
        (ask.get(CHAT), 405, FreeholdError("method_not_allowed", path=CHAT, method="GET", allowed="POST")),
    ]
    for answer, status, error in cases:
        assert (answer.status_code, answer.json()) == (status, error_body(error))
        assert answer.headers["content-type"] == "application/json"
    assert cases[-1][0].headers["allow"] == "POST"
    unknown = ask.post("/v2/models/nobody/infer", json={})
    assert unknown.json() == error_body(FreeholdError("model_not_found", model="nobody", served=NAMES), "oip")
    assert ask.post("/v2/models/new/ready").headers["allow"] == "GET"
    assert "new" in ask.post("/v2/models/new/infer", json={"model": "old"}).json()["error"]
    assert (fronted.old.seen, fronted.new.seen) == ([], [])


def test_a_body_that_is_too_large_is_refused(fronted: Fronted) -> None:
    """8 MiB are not; one byte more is, by its length or by its bytes, whoever names the model."""
    limit = 8 << 20
    frame = b'{"model": "new", "input": "%s"}'
    fits = frame % (b"a" * (limit - len(frame) + 2))
    assert fronted.client.post(CHAT, content=fits).status_code == 200
    for content in (fits + b" ", iter([fits, b" "])):
        answer = fronted.client.post(f"{CHAT}?model_id=new", content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
