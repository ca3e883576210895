"""What Envoy finds of the model's name, by a real Envoy: each place, and what it does not take for one.

Which of them agree is the agreement test's affair (tests/e2e/test_agreement.py).
"""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from freehold.gateway.rendering.envoy import render
from freehold.gateway.rendering.envoy_names import INTERNAL
from freehold.gateway.rendering.plan import Plan
from tests.gateway.rendering.conftest import Upstream, configured, envoy, free_port

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def one() -> Iterator[Upstream]:
    """Who is behind it."""
    with Upstream("one").running() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def client(one: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an Envoy before one server with two models."""
    port = free_port()
    models = [{"id": name, "source": one.url} for name in ("one", "two")]
    with ExitStack() as stack:
        files = render(Plan.of(configured(port, models=models))).files
        url = stack.enter_context(envoy(files, tmp_path_factory.mktemp("envoy"), port))
        yield stack.enter_context(httpx.Client(base_url=url, trust_env=False))


@pytest.mark.parametrize(
    ("path", "headers", "content", "answered"),
    [
        (CHAT, JSON, '{"model": "one"}', "one"),
        (CHAT, JSON, r'{"model": "\u006fne"}', "one"),
        (CHAT, JSON, '{"model": "two", "model": "one"}', "one"),
        (CHAT, {"content-type": "Application/JSON ; charset=utf-8"}, '{"model": "one"}', "one"),
        (CHAT, {}, '{"model": "one"}', "one"),
        (CHAT, {**JSON, "content-encoding": "Identity"}, '{"model": "one"}', "one"),
        (CHAT, {**JSON, "x-model-id": "one"}, "no JSON", "one"),
        (CHAT, {**JSON, "x-model-id": ""}, '{"model": "one"}', "one"),
        (f"{CHAT}?model_id=%6fne", {"content-type": "text/plain"}, "x", "one"),
        (f"{CHAT}?model_id=", JSON, '{"model": "one"}', "one"),
        ("/v2/models/%6Fne/infer/", {**JSON, "content-encoding": "gzip"}, '{"model": "two"}', "one"),
        (CHAT, {**JSON, "x-model-id": "two"}, '{"model": "one"}', "model_conflict"),
        (f"{CHAT}?model_id=two&model_id=one", {**JSON, "x-model-id": "one"}, "{}", "model_conflict"),
        (CHAT, JSON, '{"model": 1}', "json_malformed"),
        (CHAT, JSON, '{"model": "one", "model": false}', "json_malformed"),
        (CHAT, JSON, '{"model"', "json_malformed"),
        (CHAT, JSON, '["model"]', "model_not_named"),
        (CHAT, JSON, '{"model": null}', "model_not_named"),
        (CHAT, JSON, "", "model_not_named"),
        (CHAT, {"content-type": "text/plain"}, '{"model": "one"}', "model_not_named"),
        (CHAT, {"content-type": "text/plain", "content-encoding": "gzip"}, "x", "body_encoding_unsupported"),
        (CHAT, JSON, r'{"model": "one\n"}', "model_not_found"),
        (CHAT, JSON, '{"model": "\u4e00"}', "model_not_found"),
    ],
)
def test_a_name_is_found_where_it_stands(
    client: httpx.Client, path: str, headers: dict[str, str], content: str, answered: str
) -> None:
    """Whoever is named answers, else the code of what is wrong."""
    answer = client.post(path, headers=headers, content=content)
    if "error" in answer.json():
        assert answer.json()["error"]["code"] == answered
    else:
        assert answer.headers["x-freehold-model"] == answered


def test_a_header_that_is_said_twice_names_nobody(client: httpx.Client) -> None:
    """Not the first one: a gateway would take the last."""
    answer = client.post(CHAT, content="{}", headers=[("x-model-id", "one"), ("x-model-id", "two")])
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "one,two" in answer.json()["error"]["message"]


def test_what_envoy_found_is_nobodys_business(client: httpx.Client, one: Upstream) -> None:
    """A client cannot say it in Envoy's place, nor what Envoy reads of its own kind, and no upstream is told."""
    one.seen.clear()
    own = {f"{INTERNAL}model": "two", f"{INTERNAL}conflict": "true", "x-envoy-max-retries": "9", "x-other": "stays"}
    answer = client.post(CHAT, json={"model": "one"}, headers=own)
    assert answer.headers["x-freehold-model"] == "one"
    sent = one.seen[0].headers
    assert sent["x-other"] == "stays"
    assert not [name for name in sent if name.startswith((INTERNAL, "x-envoy-"))]
    assert not [name for name in answer.headers if name.startswith((INTERNAL, "x-envoy-"))]
