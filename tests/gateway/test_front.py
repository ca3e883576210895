"""Who answers a request: this process, another server, or nobody."""

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.config import ModelConfig
from freehold.gateway.routing.places import PATHS
from tests.audited import Audited


def test_a_model_of_this_process_is_answered_here(node: Any) -> None:
    """The body, which was looked at, is the one that its endpoint gets."""
    body = {"model": "here", "messages": []}
    assert node.client.post("/v1/chat/completions", json=body).json() == {"local": body}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_every_path_of_the_api_is_passed_on(node: Any, shared_unruly: Any, prefix: str, path: str) -> None:
    """With or without its version, to the same path below the other server's URL."""
    assert node.ask("theirs", f"{prefix}/{path}").json() == {"model": "theirs/x"}
    assert shared_unruly.seen()["seen"][-1]["path"] == f"/v1/{path}"


def test_coheres_rerank_is_passed_on_as_rerank(node: Any, shared_unruly: Any) -> None:
    """The version is that of the call, not of the server."""
    assert node.ask("theirs", "/v2/rerank").status_code == 200
    assert shared_unruly.seen()["seen"][-1]["path"] == "/v1/rerank"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"model": 3}', b'{"model": ""}', b'{"query": "no model"}'])
def test_what_names_no_model_goes_where_it_went_before(node: Any, body: bytes) -> None:
    """A path of this process says itself what is wrong, or knows its only model; TEI's rerank names none."""
    assert node.client.post("/rerank", content=body).content == b'{"local": %b}' % (body or b"null")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/images/generations", {"model": "nobody"}, 404, "model_not_found"),
        ("/v1/images/generations", {"prompt": "a"}, 400, "model_not_named"),
        ("/v1/images/generations", {"model": "here"}, 501, "path_not_local"),
        ("/v1/unheard/of", {"model": "theirs"}, 404, "path_not_found"),
    ],
)
def test_what_nobody_answers_is_told(node: Any, path: str, body: Any, status: int, code: str) -> None:
    """With the models that there are."""
    answer = node.client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    if code in {"model_not_found", "model_not_named"}:
        assert "here, theirs, slow" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        (b"nobody", 404, "model_not_found"),
        (b"here", 501, "path_not_local"),
        (b"", 400, "model_not_named"),
        (b"\xff", 400, "json_malformed"),
    ],
)
def test_forms_that_nobody_answers_are_told_too(node: Any, value: bytes, status: int, code: str) -> None:
    """A model that is not there, or is here, where nothing reads forms; no model; a name that is no text."""
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n--x--\r\n' % value
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = node.client.post("/v1/audio/transcriptions", content=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_compressed_body_is_read_and_sent_on_plain(node: Any, shared_unruly: Any) -> None:
    """The other server may not know how."""
    body = gzip.compress(json.dumps({"model": "theirs", "a": 1}).encode())
    answer = node.client.post("/v1/chat/completions", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.json() == {"model": "theirs/x", "a": 1}
    assert "content-encoding" not in shared_unruly.seen()["seen"][-1]["headers"]


def test_a_name_that_the_server_lacks_is_told_with_those_it_has(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """And that a setting chooses among them."""
    server = unruly(models=[{"id": "a"}, {"id": "b"}])
    node = front(
        ModelConfig(id="theirs", source=server.url),
        ModelConfig(id="b", source=server.url),
        ModelConfig(id="chosen", source=server.url, upstream_model="a"),
    )
    node.wait("theirs")
    node.wait("chosen")
    node.wait("b")
    answer = node.ask("theirs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_model_unknown")
    assert "a, b" in answer.json()["error"]["message"]
    assert node.ask("b").json() == {"model": "b"}
    assert node.ask("chosen").json() == {"model": "a"}


def test_what_is_passed_on_is_audited_as_its_client_sent_and_got_it(
    node_of: Callable[..., Any], shared_unruly: Any, tmp_path: Path
) -> None:
    """Packed, as a form, and where the other server cuts its stream short; keys and other headers never."""
    theirs = ModelConfig(id="theirs", source=shared_unruly.url, upstream_model="theirs/x")
    audited = Audited(tmp_path)
    with node_of(theirs, alone=True, entrance=audited.entrance) as node:
        node.wait("theirs")
        node.client.headers.update({"api-key": audited.key, "cookie": "sweet"})
        asked = json.dumps({"model": "theirs", "input": "secret plan"})
        packed = gzip.compress(asked.encode())
        node.client.post("/v1/embeddings", content=packed, headers={"content-encoding": "gzip"})
        form = httpx.Request("POST", "http://t", data={"a": "b"}, files={"file": b"\xff\x00"})
        form.read()
        headers = {"content-type": form.headers["content-type"], "x-model-id": "theirs"}
        sound = node.client.post("/v1/audio/transcriptions", content=form.content, headers=headers)
        behave = {"kind": "stream", "chunks": ["data: {}\n\n"], "then": "cut"}
        with suppress(httpx.RemoteProtocolError):
            node.ask("theirs", behave=behave)
    lines = audited.lines()
    embedded, spoken, cut = (line["content"] for line in lines)
    assert embedded["request"] == {"bytes": len(packed), "sha256": sha256(packed).hexdigest(), "text": asked}
    assert spoken["request"] == {"bytes": len(form.content), "sha256": sha256(form.content).hexdigest()}
    assert spoken["answer"]["text"] == sound.text
    assert (lines[2]["outcome"], cut["answer"]["text"]) == ("cut", "data: {}\n\n")
    assert audited.key not in json.dumps(lines)
    assert "sweet" not in json.dumps(lines)
    audited.close()
