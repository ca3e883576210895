"""The plugin's calls as a server sees them."""

from typing import Any

import pytest

from freehold.deploy.dify.checking.plugin_calls import Plugin, host_of, joined, other_form
from tests.deploy.dify.checking.planted import KEY, planted, target

KINDS = ("chat", "embedding", "rerank")
HELLO = [{"role": "user", "content": "你好"}]


@pytest.mark.parametrize(
    ("base", "path"), [("http://h/v1", "http://h/v1/rerank"), ("http://h/v1/", "http://h/v1/rerank")]
)
def test_a_slash_at_the_end_makes_no_difference(base: str, path: str) -> None:
    """The plugin's own rule, which adds no /v1."""
    assert joined(base, "rerank") == path
    assert joined("http://h", "rerank") == "http://h/rerank"


def test_the_other_form_of_an_address() -> None:
    """With /v1 and without."""
    assert other_form("http://h:1/x/v1/") == "http://h:1/x"
    assert other_form("http://h:1/") == "http://h:1/v1"
    assert host_of("http://[::1]:8080/v1") == "::1"


def test_bodies_and_headers_are_the_plugins() -> None:
    """Validation, invocation, and what each header is; no Authorization without a key, but empty for embeddings."""
    with planted() as server:
        plugin = Plugin(target(server.url, *KINDS))
        plugin.validate_chat()
        plugin.validate_completion()
        plugin.validate_embedding()
        plugin.validate_rerank()
        plugin.stream(HELLO, temperature=0, stop=["x"], user="u")
    bodies = [body for _, _, body in server.asked]
    ping: Any = {"model": "talker", "max_tokens": 5}
    assert bodies[0] == {**ping, "messages": [{"role": "user", "content": "ping"}]}
    assert bodies[1] == {**ping, "prompt": "ping"}
    assert bodies[2] == {"input": "ping", "model": "vectors"}
    assert (bodies[3]["top_n"], len(bodies[3]["documents"])) == (3, 3)
    assert list(bodies[4]) == ["model", "stream", "stream_options", "temperature", "messages", "stop", "user"]
    assert [path for path, _, _ in server.asked][2:4] == ["/v1/embeddings", "/v1/rerank"]
    keys = [headers.get("Authorization") for _, headers, _ in server.asked]
    assert keys == [None, None, "", None, None]
    assert [headers.get("Accept-Charset") for _, headers, _ in server.asked] == [None] * 4 + ["utf-8"]


def test_the_same_call_is_made_once() -> None:
    """Two checks that ask the same see one answer; `again` asks anew; each records what it rests on."""
    with planted(key=KEY) as server:
        plugin = Plugin(target(server.url, "embedding", key=KEY))
        first, second = plugin.recording(), plugin.recording()
        assert first.embed(["a"]) is second.embed(["a"])
        assert second.embed(["a"], again=True).ok
        assert len(server.asked) == 2
        assert (len(first.exchanges), len(second.exchanges), plugin.exchanges) == (1, 2, [])
        first.instead(key="another").validate_embedding()
        assert first.exchanges[-1].status == 401


def test_a_key_is_in_no_repr() -> None:
    """A target may be logged."""
    assert KEY not in repr(target("http://h/v1", key=KEY))
