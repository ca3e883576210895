"""Limits and keys over HTTP: what answers tell, when streams are settled, and a key that is revoked meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from freehold.access import Key, Keys
from freehold.errors import FreeholdError
from freehold.http import Entrance
from freehold.http.visit import Headers, Visit


class Limited:
    """A quota of two requests, and a ledger that remembers how each ended."""

    def __init__(self) -> None:
        self.left = 2
        self.open = 0
        self.statuses: list[int] = []

    async def enter(self, key: Key, tokens: int = 0) -> "Limited":
        if not self.left:
            raise FreeholdError("quota_unreachable", retry_after_s=7)
        self.left -= 1
        self.open += 1
        return self

    def settle(self, tokens: int) -> None:
        self.open -= 1

    def headers(self) -> Headers:
        return ((b"x-ratelimit-remaining-requests", b"%d" % self.left),)

    def permit(self) -> None:
        """Everything can be written down."""

    def turned_away(self, address: str, code: str) -> None:
        """Nobody asks."""

    def note(self, visit: Visit, status: int, seconds: float) -> None:
        self.statuses.append(status)

    def attempt(self, visit: Visit, what: str, model: str, details: Any) -> Any:
        raise AssertionError("no act of administration")


@pytest.fixture
def keys() -> Iterator[Keys]:
    """Keys in memory."""
    made = Keys.in_memory()
    yield made
    made.close()


def test_answers_tell_what_is_left_and_a_limit_says_when_to_come_back(serving: Callable[..., Any], keys: Keys) -> None:
    """Every counted answer, of whatever status; looking counts nothing."""
    key, limits = keys.create("dify", "client"), Limited()
    live = serving(entrance=Entrance(keys, quota=limits, ledger=limits))
    assert "x-ratelimit-remaining-requests" not in live.ask("GET", "/v1/describe", Api_Key=key).headers
    good, bad = live.ask("POST", "/v1/echo", b"x", Api_Key=key), live.ask("POST", "/v1/fail", b"x", Api_Key=key)
    assert (good.status, good.headers["x-ratelimit-remaining-requests"]) == (200, "1")
    assert (bad.status, bad.headers["x-ratelimit-remaining-requests"]) == (500, "0")
    refused = live.ask("POST", "/v1/echo", b"x", Api_Key=key)
    assert (refused.status, refused.headers["retry-after"]) == (503, "7")
    assert (limits.open, limits.statuses) == (0, [200, 200, 500, 503])


def test_a_stream_holds_its_place_to_its_end_and_a_revoked_key_ends_with_it(
    serving: Callable[..., Any], house: Any, keys: Keys, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """The answer that began is finished; the next request on the same connection is refused."""
    key, limits = keys.create("dify", "client"), Limited()
    live = serving(entrance=Entrance(keys, quota=limits, ledger=limits))
    client = live.connect()
    client.send(
        b"GET /v1/stream?before=1&wait=1&after=1 HTTP/1.1\r\nHost: test\r\nApi-Key: " + key.encode() + b"\r\n\r\n"
    )
    status, _ = client.head()
    assert (status, client.chunk()[:6]) == (200, b"data: ")
    assert house.waiting.wait(20)
    assert limits.statuses == []
    keys.register.revoke("dify")
    keys.refresh()
    house.release()
    assert client.chunk()[:6] == b"data: "
    assert client.chunk() == b""
    eventually(lambda: limits.statuses == [200])
    assert client.ask("POST", "/v1/echo", b"x", Api_Key=key).json["error"]["code"] == "key_wrong"


def test_a_client_that_leaves_a_stream_gives_its_place_back(
    serving: Callable[..., Any], house: Any, keys: Keys, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """Nobody has to read to the end."""
    house.routes = _streams_as_inference(house)
    key, limits = keys.create("dify", "client"), Limited()
    live = serving(entrance=Entrance(keys, quota=limits, ledger=limits))
    client = live.connect()
    client.send(b"GET /v1/stream?before=1&wait=1 HTTP/1.1\r\nHost: test\r\nApi-Key: " + key.encode() + b"\r\n\r\n")
    status, headers = client.head()
    assert (status, headers["x-ratelimit-remaining-requests"], limits.open) == (200, "1", 1)
    client.close()
    eventually(lambda: (limits.open, limits.statuses) == (0, [499]))


def _streams_as_inference(house: Any) -> Callable[[], list[Any]]:
    """The house's routes, whose streams ask for the right to infer."""
    routes = house.routes()
    return lambda: [replace(route, right="infer") if route.path == "/v1/stream" else route for route in routes]
