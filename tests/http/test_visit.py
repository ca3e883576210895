"""What one key sees, may change, takes of its limits, and what is written of it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from freehold.access import DEFAULT_TENANT, Key, Right, Role
from freehold.errors import FreeholdError
from freehold.http.visit import Asked, Headers, Visit

OWNERS = {"ours": "us", "theirs": "them"}


class Limited:
    """A quota of so many requests, and what they came to."""

    def __init__(self, requests: int) -> None:
        self.left = requests
        self.settled: list[int] = []
        self.guessed: list[int] = []

    async def enter(self, key: Key, tokens: int = 0) -> "Limited":
        if not self.left:
            raise FreeholdError("quota_unreachable", retry_after_s=3)
        self.left -= 1
        self.guessed.append(tokens)
        return self

    def settle(self, tokens: int) -> None:
        self.settled.append(tokens)

    def headers(self) -> Headers:
        return ((b"x-ratelimit-remaining-requests", b"%d" % self.left),)


class Book:
    """What is written down, and whether it can be."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.lines: list[Any] = []

    def permit(self) -> None:
        if self.full:
            raise FreeholdError("audit_refused", reason="full")

    def turned_away(self, address: str, code: str) -> None:
        self.lines.append((address, code))

    def note(self, visit: Visit, status: int, seconds: float) -> None:
        self.lines.append((visit.key.name, visit.model, visit.prompt_tokens, visit.completion_tokens, status))

    @contextmanager
    def attempt(self, visit: Visit, what: str, model: str, details: Mapping[str, str]) -> Iterator[None]:
        self.permit()
        self.lines.append((what, model, "asked"))
        try:
            yield
        except FreeholdError as failure:
            self.lines.append((what, model, failure.code))
            raise
        self.lines.append((what, model, "done"))


def key(role: Role = "client", tenant: str = DEFAULT_TENANT, *models: str) -> Key:
    return Key("k", role, 0.0, b"", tenant, frozenset(models) if models else None)


def visit(one: Key, right: Right = "infer", quota: Any = None, book: Any = None) -> Visit:
    return Visit(one, Asked(right, "POST", "/p", "r-1", "10.0.0.1"), OWNERS, quota, book)


@pytest.mark.parametrize(
    ("one", "seen", "all_of_them"),
    [
        (key(), {"free"}, False),
        (key("viewer"), {"free", "ours", "theirs"}, True),
        (key("admin"), {"free", "ours", "theirs"}, True),
        (key("admin", DEFAULT_TENANT, "ours"), {"ours"}, False),
        (key("client", "us"), {"free", "ours"}, False),
        (key("admin", "us"), {"free", "ours"}, False),
        (key("client", "us", "theirs", "free"), {"free"}, False),
    ],
)
def test_a_key_sees_what_its_scope_and_its_tenant_allow(one: Key, seen: set[str], all_of_them: bool) -> None:
    """Both have to; only those who run the installation look over the walls."""
    caller = visit(one)
    assert {model for model in ("free", "ours", "theirs") if caller.sees(model)} == seen
    assert caller.sees_all is all_of_them


def test_what_a_name_leads_to_is_seen_for_that_request() -> None:
    """A key for a route alone is answered by the route's models."""
    caller = visit(key("client", "us", "route"))
    assert not caller.sees("ours")
    caller.grant("ours")
    assert caller.sees("ours")
    assert not caller.sees("free")


def test_a_role_without_the_right_takes_nothing_of_its_limits() -> None:
    """It is refused before anything is counted."""
    quota = Limited(1)
    with pytest.raises(FreeholdError) as caught:
        asyncio.run(visit(key("viewer"), quota=quota).begin())
    assert caught.value.code == "right_missing"
    assert quota.left == 1


def test_an_inference_is_counted_settled_and_written_down() -> None:
    """By the name that was asked for, with all its tokens; several prompts of one request add up."""
    quota, book = Limited(2), Book()
    caller = visit(key(), quota=quota, book=book)
    asyncio.run(caller.begin(40))
    caller.model = "route"
    caller.answered("model", "sha256:1", 3, 4)
    caller.answered("model", "sha256:1", 5)
    caller.end(200, 0.1)
    assert (quota.guessed, quota.settled) == ([40], [12])
    assert caller.headers() == ((b"x-ratelimit-remaining-requests", b"1"),)
    assert book.lines == [("k", "route", 8, 4, 200)]


def test_a_request_beyond_a_limit_settles_nothing() -> None:
    """It took nothing, and is written down all the same."""
    quota, book = Limited(0), Book()
    caller = visit(key(), quota=quota, book=book)
    with pytest.raises(FreeholdError):
        asyncio.run(caller.begin())
    caller.end(429, 0.0)
    assert (quota.settled, caller.headers()) == ([], ())
    assert book.lines == [("k", "", 0, 0, 429)]


def test_what_cannot_be_written_down_does_not_begin() -> None:
    """Where the audit says so: before the limits are asked."""
    quota = Limited(1)
    with pytest.raises(FreeholdError) as caught:
        asyncio.run(visit(key(), quota=quota, book=Book(full=True)).begin())
    assert (caught.value.code, quota.left) == ("audit_refused", 1)


def test_looking_takes_nothing_of_the_limits_of_inference() -> None:
    """Lists and probes are free."""
    quota = Limited(1)
    asyncio.run(visit(key(), "metadata", quota).begin())
    assert quota.left == 1


async def _change(caller: Visit, model: str, failure: str = "") -> None:
    async with caller.changing("model.unload", model):
        if failure:
            raise FreeholdError(failure, model=model)


def test_an_act_is_written_before_it_begins_and_how_it_ended() -> None:
    """A failure, too, by its code."""
    book = Book()
    asyncio.run(_change(visit(key("operator", "us"), "repository", book=book), "ours"))
    with pytest.raises(FreeholdError):
        asyncio.run(_change(visit(key("operator"), "repository", book=book), "free", "model_loading"))
    assert [line[2] for line in book.lines] == ["asked", "done", "asked", "model_loading"]


@pytest.mark.parametrize("model", ["free", "theirs"])
def test_a_tenant_changes_its_own_models_alone(model: str) -> None:
    """What others use stays, and the audit has no line of what was not tried."""
    book = Book()
    with pytest.raises(FreeholdError) as caught:
        asyncio.run(_change(visit(key("admin", "us"), "repository", book=book), model))
    assert (caught.value.code, book.lines) == ("model_shared", [])


def test_an_act_that_cannot_be_written_down_is_not_done() -> None:
    """The block does not begin."""
    with pytest.raises(FreeholdError) as caught:
        asyncio.run(_change(visit(key("operator"), "repository", book=Book(full=True)), "free", "model_loading"))
    assert caught.value.code == "audit_refused"
