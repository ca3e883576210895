"""One server elsewhere has models of two tenants: however a request is written, it is asked for the caller's own."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from freehold.access import Keys
from freehold.config import ModelConfig

CHAT, OURS = "/v1/chat/completions", b'{"model": "ours"}'
SMUGGLED = b'{"model": "x/theirs", "temperature": NaN}'


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """By their names, the keys of a client of each tenant."""
    return {}


@pytest.fixture(scope="module", params=["alone", "with models of its own"])
def node(request: Any, shared_unruly: Any, node_of: Callable[..., Any], keys: dict[str, str]) -> Iterator[Any]:
    """A gateway to that server, asked by a client of the tenant `us`; `common` is everybody's."""
    kept = Keys.in_memory()
    models = [
        ModelConfig(id=name, source=shared_unruly.url, upstream_model=f"x/{name}", tenant=tenant)
        for name, tenant in (("ours", "us"), ("theirs", "them"), ("common", None))
    ]
    with node_of(*models, alone=request.param == "alone", keys=kept) as one:
        one.wait("ours")
        one.wait("common")
        for tenant in ("default", "us", "them"):
            keys[tenant] = kept.register.create(tenant, "client", tenant=tenant)
        kept.refresh()
        one.client.headers["authorization"] = f"Bearer {keys['us']}"
        yield one
    kept.close()


def test_prompts_of_tenants_are_kept_apart_by_a_server_that_can(
    node: Any, shared_unruly: Any, keys: dict[str, str]
) -> None:
    """Each tenant's bear its own salt, by which vLLM tells what it remembers; a client's own divides them further."""

    def salt(tenant: str, path: str = CHAT, **fields: str) -> str | None:
        headers = {"Authorization": f"Bearer {keys[tenant]}"}
        assert node.client.post(path, json={"model": "common", **fields}, headers=headers).status_code == 200
        found: str | None = json.loads(last_asked(shared_unruly, path)["body"]).get("cache_salt")
        return found

    salts = {salt("us"), salt("them"), salt("us", cache_salt="a"), salt("them", cache_salt="a")}
    assert (len(salts), salt("us") in salts, None in salts, "a" in salts) == (4, True, False, False)
    assert (salt("default"), salt("default", cache_salt="a")) == (None, "a")
    assert salt("us", "/v1/embeddings") is None


def test_a_revoked_key_ends_with_the_answer_that_it_is_given(shared_unruly: Any, node_of: Callable[..., Any]) -> None:
    """Which another server is still writing; the next request on the same connection is refused."""
    kept = Keys.in_memory()
    slow = {"kind": "stream", "chunks": ["data: {}\n\n"], "times": 40, "pause": 0.02}
    with node_of(ModelConfig(id="theirs", source=shared_unruly.url), alone=True, keys=kept) as one:
        one.wait("theirs")
        headers = {"Authorization": f"Bearer {kept.register.create('dify', 'client')}"}
        kept.refresh()
        asked = {"model": "theirs", "stream": True, "behave": slow}
        with one.client.stream("POST", CHAT, json=asked, headers=headers) as answer:
            pieces = answer.iter_lines()
            assert (answer.status_code, next(pieces)) == (200, "data: {}")
            kept.register.revoke("dify")
            kept.refresh()
            assert one.client.post(CHAT, json={"model": "theirs"}, headers=headers).status_code == 401
            assert [piece for piece in pieces if piece] == ["data: {}"] * 39
        assert one.client.post(CHAT, json=asked, headers=headers).status_code == 401
    kept.close()


def form_of(*models: str) -> bytes:
    """A form with so many fields named `model`."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n' for model in models]
    return ("".join(parts) + "--x--\r\n").encode()


@pytest.mark.parametrize(
    ("models", "status"), [(("ours",), 200), (("ours", "x/theirs"), 400), ((), 400), (("theirs",), 404)]
)
def test_a_form_names_one_model(node: Any, models: tuple[str, ...], status: int) -> None:
    """Once, within it: of several fields the last one counts for many servers, and of none their default."""
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-Model-ID": models[0] if models else "ours"}
    answer = node.client.post("/v1/audio/transcriptions", content=form_of(*models), headers=headers)
    assert answer.status_code == status


def last_asked(unruly: Any, path: str = CHAT) -> Any:
    """The last request that came there: a node looks after its servers meanwhile."""
    return [seen for seen in unruly.seen()["seen"] if seen["path"] == path][-1]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(OURS, mtime=0)),
        ({"X-Model-ID": "ours"}, b'{"a": 1}'),
        ({"Content-Type": "text/plain"}, OURS),
        ({}, b'{"model": "x/theirs", "model": "ours"}'),
        ({}, b'{"mod\\u0065l": "x/theirs", "model": "ours"}'),
    ],
)
def test_the_server_reads_the_one_model_that_was_meant(
    node: Any, shared_unruly: Any, headers: dict[str, str], body: bytes
) -> None:
    """Unpacked, as JSON, and with one member of that name."""
    assert node.client.post(CHAT, content=body, headers=headers).status_code == 200
    asked = last_asked(shared_unruly)
    assert json.loads(asked["body"], object_pairs_hook=list).count(("model", "x/ours")) == 1
    assert "theirs" not in asked["body"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b'{"model": "theirs"}', 404),
        ({"X-Model-ID": "ours"}, SMUGGLED, 400),
        ({"X-Model-ID": "ours", "Content-Encoding": "gzip"}, gzip.compress(SMUGGLED, mtime=0), 400),
        ({"X-Model-ID": "ours", "Content-Encoding": "gzip"}, gzip.compress(b'{"model": "x/theirs"}', mtime=0), 400),
        ({"X-Model-ID": "ours", "Content-Type": "application/x-www-form-urlencoded"}, b"model=x/theirs", 400),
        ({"X-Model-ID": "ours", "Inference-Header-Content-Length": "4"}, b"model=x/theirs", 400),
        ({"X-Model-ID": "ours"}, b"", 400),
    ],
)
def test_what_could_be_read_as_another_model_is_not_passed_on(
    node: Any, shared_unruly: Any, headers: dict[str, str], body: bytes, status: int
) -> None:
    """What is no JSON here may be some there: the header's model is not what its server would go by."""
    node.client.post(CHAT, content=b'{"model": "ours", "marked": true}')
    assert node.client.post(CHAT, content=body, headers=headers).status_code == status
    assert "marked" in last_asked(shared_unruly)["body"]
