"""What the head of a request says when it is passed on."""

import pytest

from freehold.errors import FreeholdError
from freehold.gateway.routing.onward import MOST_HOPS, Headers, onward, query_there
from freehold.http import BodyLimits, Call, MemoryBudget
from freehold.http.departures import Departures


def call(**headers: bytes) -> Call:
    """A request with these headers."""

    async def receive() -> dict[str, object]:
        raise AssertionError("nobody reads the body")

    fields = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    scope = {"method": "POST", "path": "/", "query_string": b""}
    return Call(scope, receive, fields, "id", {}, BodyLimits(), MemoryBudget(1), Departures())


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (call(), ((b"x-freehold-hops", b"1"),)),
        (call(x_freehold_hops=b"1"), ((b"x-freehold-hops", b"2"),)),
        (call(x_freehold_hops=b"x"), ((b"x-freehold-hops", b"1"),)),
        (call(x_freehold_hops=b"9" * 5000), ((b"x-freehold-hops", b"1"),)),
        (call(x_model_id=b"a"), ((b"x-model-id", b"there"), (b"x-freehold-hops", b"1"))),
        (call(x_model_id=b""), ((b"x-freehold-hops", b"1"),)),
    ],
)
def test_gateways_are_counted_and_the_model_is_named_as_it_is_there(asked: Call, sent: Headers) -> None:
    """What is no number counts as none."""
    assert onward(asked, "there") == sent


def test_a_request_that_goes_round_is_ended() -> None:
    """With the number of gateways that it came through."""
    assert onward(call(x_freehold_hops=b"%d" % (MOST_HOPS - 1)), "a")
    with pytest.raises(FreeholdError) as raised:
        onward(call(x_freehold_hops=b"%d" % MOST_HOPS), "a")
    assert (raised.value.code, raised.value.details["hops"]) == ("gateway_loop", MOST_HOPS)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (b"", b""),
        (b"timeout=3&q=%20", b"timeout=3&q=%20"),
        (b"model_id=a&x=1", b"model_id=th%2Fere&x=1"),
        (b"model_id=", b"model_id="),
        (b"model%5Fid=a&x=1", b"model_id=th%2Fere&x=1"),
    ],
)
def test_a_query_names_the_model_as_it_is_there(query: bytes, sent: bytes) -> None:
    """One that names none keeps its bytes."""
    assert query_there(query, "th/ere") == sent
