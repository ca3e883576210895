"""Limits over gRPC: what trailing metadata tell of them, what a refusal looks like, and places that come back."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from freehold.access import Key, Keys
from freehold.errors import FreeholdError
from freehold.http import Entrance
from freehold.http.visit import Headers
from freehold.protocol.grpc.messages import message
from tests.server.grpc.test_reception import SERVICE, infer_request


class Limited:
    """A quota of two requests; `guessed` are the tokens that each came with."""

    def __init__(self) -> None:
        self.left = 2
        self.open = 0
        self.guessed: list[int] = []

    async def enter(self, key: Key, tokens: int = 0) -> "Limited":
        if not self.left:
            told = {"owner": "key one", "setting": "requests_per_minute", "limit": 2}
            raise FreeholdError("quota_requests", **told, retry_after_s=7, headers=self.headers())
        self.left -= 1
        self.open += 1
        self.guessed.append(tokens)
        return self

    def settle(self, tokens: int) -> None:
        self.open -= 1

    def headers(self) -> Headers:
        return ((b"x-ratelimit-remaining-requests", b"%d" % self.left),)


@pytest.fixture
def keys() -> Iterator[Keys]:
    """Keys in memory."""
    found = Keys.in_memory()
    yield found
    found.close()


def told(call: Any, name: str) -> str | None:
    """The value of one of a call's trailing metadata."""
    return dict(call.trailing_metadata()).get(name)


def test_calls_tell_what_is_left_and_a_limit_says_when_to_come_back(serve: Callable[..., Any], keys: Keys) -> None:
    """As headers over HTTP do, on the same counts: of an answer, a failure, and a refusal; looking counts nothing."""
    key, limits = ("api-key", keys.create("one", "client")), Limited()
    node = serve("fp32", entrance=Entrance(keys, quota=limits))
    with grpc.insecure_channel(node.place) as channel:
        infer, look = (channel.unary_unary(f"{SERVICE}/{name}") for name in ("ModelInfer", "ServerMetadata"))
        assert told(look.with_call(b"", metadata=[key])[1], "x-ratelimit-remaining-requests") is None
        assert told(infer.with_call(infer_request(), metadata=[key])[1], "x-ratelimit-remaining-requests") == "1"
        failed = infer.future(b"\xff", metadata=[key])
        assert failed.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert told(failed, "x-ratelimit-remaining-requests") == "0"
        refused = infer.future(infer_request(), metadata=[key])
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "[quota_requests]" in refused.details()
        assert (told(refused, "retry-after"), told(refused, "x-ratelimit-remaining-requests")) == ("7", "0")
    assert (limits.open, limits.guessed) == (0, [0, 0])


def test_each_request_of_a_stream_is_counted(serve: Callable[..., Any], keys: Keys) -> None:
    """The one beyond the limit is told so in its answer; the stream goes on, since limits pass."""
    key, limits = keys.create("one", "client"), Limited()
    node = serve("fp32", entrance=Entrance(keys, quota=limits))
    with grpc.insecure_channel(node.place) as channel:
        stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")
        answers = stream(iter([infer_request()] * 3), metadata=[("api-key", key)])
        errors = [message("ModelStreamInferResponse").FromString(answer).error_message for answer in answers]
    assert errors[:2] == ["", ""]
    assert "[quota_requests]" in errors[2]
    assert (limits.open, len(limits.guessed)) == (0, 2)
