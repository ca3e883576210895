"""Requests for routes: which model answers, what it is asked, and what happens while it cannot."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from freehold.config import Hold, ModelConfig, Route, RouteTarget
from freehold.errors import FreeholdError
from freehold.gateway.routing.table import slot
from freehold.http import BodyLimits

JSON = {"Content-Type": "application/json"}
CHAT = "/v1/chat/completions"


def routes_of(fallback: str | None = None, hold: Hold = Hold()) -> tuple[Route, ...]:  # noqa: B008 - frozen
    targets = (RouteTarget("one", 50), RouteTarget("two", 50))
    return (Route("chat", targets, fallback=fallback, hold=hold), Route("mixed", (RouteTarget("here"),)))


@pytest.fixture(scope="module")
def routed(shared_unruly: Any, node_of: Callable[..., Any]) -> Iterator[Any]:
    """A node with the route `chat` to `one` and `two`, which their server calls otherwise, and `mixed` to `here`."""
    models = [ModelConfig(id=name, source=shared_unruly.url, upstream_model=f"x/{name}") for name in ("one", "two")]
    with node_of(*models, routes=routes_of()) as node:
        node.wait("one")
        node.wait("two")
        yield node


def test_requests_are_shared_by_their_ids(routed: Any) -> None:
    """The same id meets the same model, under the name that its server knows; the answer says whose it is."""
    for number in range(30):
        request_id = f"r{number}"
        answer = routed.client.post(CHAT, json={"model": "chat"}, headers={"X-Request-ID": request_id})
        chosen = "one" if slot(request_id.encode()) < 50 else "two"
        assert (answer.headers["x-freehold-model"], answer.json()) == (chosen, {"model": f"x/{chosen}"})
        assert answer.headers["x-request-id"] == request_id


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/v1/embeddings", {"X-Model-ID": "one"}, b'{"a": 1}'),
        ("/v1/embeddings?model_id=one", {}, b'{"a": 1}'),
        ("/v2/models/one/infer", {}, b'{"a": 1}'),
        ("/v2/models/one/versions/3/generate", {"X-Model-ID": "one"}, b'{"model": "one"}'),
    ],
)
def test_a_model_is_named_anywhere(
    routed: Any, shared_unruly: Any, path: str, headers: dict[str, str], body: bytes
) -> None:
    """And its server hears of it at the same place under its own name."""
    answer = routed.client.post(path, content=body, headers={**JSON, **headers})
    assert (answer.status_code, answer.headers["x-freehold-model"]) == (200, "one")
    seen = shared_unruly.seen()["seen"][-1]
    theirs = path.replace("=one", "=x%2Fone").replace("models/one", "models/x%2Fone")
    assert seen["path"] == theirs
    assert seen["headers"].get("x-model-id") == ((headers and "x/one") or None)
    assert json.loads(seen["body"]) == ({"model": "x/one"} if b"model" in body else {"a": 1})


def test_readiness_of_a_model_is_asked_for_there(routed: Any) -> None:
    """And answered by its server, which has no such path; of a model that nobody has, here."""
    answer = routed.client.get("/v2/models/two/ready")
    assert (answer.status_code, answer.headers["x-freehold-model"]) == (404, "two")
    assert routed.client.get("/v2/models/nobody").json()["error"].startswith("There is no model nobody here.")


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "code"),
    [
        (CHAT, {"X-Model-ID": "one"}, b'{"model": "two"}', 400, "model_conflict"),
        ("/v2/models/one/infer?model_id=two", {}, b"{}", 400, "model_conflict"),
        ("/v1/images/edits", {}, b"{}", 400, "model_not_named"),
        (CHAT, {}, b'{"model": "nobody"}', 404, "model_not_found"),
    ],
)
def test_what_cannot_be_routed_is_told(
    routed: Any, path: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    """Names that differ, none, or one that nobody has."""
    answer = routed.client.post(path, content=body, headers={**JSON, **headers})
    assert (answer.status_code, code in answer.text) == (status, True)


def test_a_form_may_not_name_another_model(routed: Any) -> None:
    """Where the header names one, too; alone, the header is enough."""
    form = {"model": "two", "language": "en"}
    answer = routed.client.post("/v1/audio/transcriptions", data=form, files={"f": b"x"}, headers={"X-Model-ID": "one"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "model_conflict")
    del form["model"]
    answer = routed.client.post("/v1/audio/transcriptions", data=form, files={"f": b"x"}, headers={"X-Model-ID": "one"})
    assert (answer.status_code, answer.headers["x-freehold-model"]) == (200, "one")


def test_a_route_may_lead_to_a_model_of_this_process(routed: Any) -> None:
    """Which is asked under its own name, also where the path says it."""
    answer = routed.ask("mixed", messages=[])
    assert (answer.json(), answer.headers["x-freehold-model"]) == ({"local": {"model": "here", "messages": []}}, "here")
    answer = routed.client.post("/v2/models/mixed/infer", json={})
    assert answer.json() == {"local": {}, "path_model": "here"}


def test_every_answer_is_counted_under_its_route(routed: Any) -> None:
    """With its status, 0 for one that was cut short, and told to whoever watches."""
    noted: list[tuple[str, str, int]] = []
    routed.gateway.front.note = lambda route, model, status, seconds: noted.append((route, model, status))
    try:
        routed.ask("one", behave={"kind": "answer", "status": 418, "body": "{}"})
        routed.ask("one", behave={"kind": "stream", "chunks": ["data: 1\n\n"], "then": "cut"})
    finally:
        routed.gateway.front.note = None
    assert noted == [("one", "one", 418), ("one", "one", 0)]
    text = routed.telemetry.exposition()[0].decode()
    assert 'freehold_routed_requests_total{model="one",route="one",status="0"} 1.0' in text


def test_a_model_that_is_down_leaves_its_requests_to_the_next(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """Also the one that finds it gone; then to the fallback, and where nobody is left each reason is told."""
    servers = {name: unruly(models=[{"id": name}]) for name in ("one", "two", "spare")}
    models = [ModelConfig(id=name, source=server.url) for name, server in servers.items()]
    node = front(*models, routes=routes_of(fallback="spare"))
    for name in servers:
        node.wait(name)
    for name, others in (("one", {"two"}), ("two", {"spare"})):
        servers[name].stop()
        answers = [node.ask("chat") for _ in range(6)]
        assert {answer.headers["x-freehold-model"] for answer in answers} <= others
        node.wait(name, "failed")
    text = node.telemetry.exposition()[0].decode()
    assert 'freehold_routed_requests_total{model="one",route="chat",status="503"}' in text
    servers["spare"].stop()
    node.look("spare")
    node.wait("spare", "failed")
    answer = node.ask("chat")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "route_unready")
    assert answer.headers["retry-after"] == "2"
    assert all(f"{name}: The server behind {name}" in answer.text for name in servers)


def test_requests_wait_while_the_models_of_a_route_load(front: Callable[..., Any], soon: Callable[..., Any]) -> None:
    """As many as may; the others are told that it loads. A client that leaves waits no longer."""
    state: list[Any] = [("loading", None, ())]
    route = Route("chat", (RouteTarget("here"),), fallback="gone", hold=Hold(1, 30.0))
    node = front(ModelConfig(id="gone", source="http://127.0.0.1:9/v1"), routes=(route,), look=lambda: state[-1])
    node.wait("gone", "failed")
    waiting = node.gateway.front._waiting
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(node.ask("chat")))
    with pytest.raises(httpx.ReadTimeout):
        node.client.post(CHAT, json={"model": "chat"}, timeout=0.2)
    soon(lambda: waiting.count("chat") == 0)
    thread.start()
    soon(lambda: waiting.count("chat") == 1)
    refused = node.ask("chat")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "route_unready")
    assert "here: here is still loading." in refused.text
    state.append(("ready", None, ()))
    thread.join(10)
    assert answers[0].json() == {"local": {"model": "here"}}
    state.append(("failed", FreeholdError("model_loading", model="here"), ()))
    assert node.ask("chat").status_code == 503  # no hope: nobody waits


@pytest.fixture(scope="module")
def alone(shared_unruly: Any, node_of: Callable[..., Any]) -> Iterator[Any]:
    """A gateway with no model of its own, whose bodies may have a MiB."""
    model = ModelConfig(id="one", source=shared_unruly.url, upstream_model="x/one")
    with node_of(model, alone=True, body_limits=BodyLimits(size=1 << 20)) as node:
        node.wait("one")
        yield node


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(b'{"model": "one"}', mtime=0), 415, "body_encoding_unsupported"),
        ({"Content-Type": "text/plain"}, b'{"model": "one"}', 400, "model_not_named"),
        ({}, b'{"model": "one"', 400, "json_malformed"),
        ({"X-Model-ID": "one"}, b" " * (1 << 20) + b"{}", 413, "body_too_large"),
    ],
)
def test_a_gateway_alone_is_strict(alone: Any, headers: dict[str, str], body: bytes, status: int, code: str) -> None:
    """It unpacks nothing, and reads only what says that it is JSON."""
    answer = alone.client.post(CHAT, content=body, headers={**JSON, **headers})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_what_another_name_routes_is_passed_on_untouched(alone: Any, shared_unruly: Any) -> None:
    """Packed, and saying so."""
    body = gzip.compress(b'{"model": "other"}', mtime=0)
    headers = {**JSON, "Content-Encoding": "gzip", "X-Model-ID": "one"}
    alone.client.post("/v1/embeddings", content=body, headers=headers)
    seen = shared_unruly.seen()["seen"][-1]
    assert (seen["body"].encode("latin-1"), seen["headers"]["content-encoding"]) == (body, "gzip")


def test_a_gateway_alone_has_no_paths_of_engines(alone: Any) -> None:
    """What this process would compute is not there."""
    assert alone.client.post("/embed", json={"inputs": "a"}).status_code == 404
    assert alone.client.post("/rerank", json={"query": "a", "texts": []}).json()["error"]["code"] == "model_not_named"
