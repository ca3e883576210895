"""Who is let in, by which header, and what is told of who is not."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from freehold.access import Keys
from freehold.access.guessing import ATTEMPTS
from freehold.errors import FreeholdError
from freehold.http.entrance import Entrance, presented_key
from freehold.http.proxies import TrustedProxies
from freehold.http.visit import Asked, Visit

ASKED = Asked("infer", "POST", "/v1/embeddings", "r-1", "10.0.0.1")


class Gate:
    """A ledger that remembers who was turned away."""

    def __init__(self) -> None:
        self.away: list[tuple[str, str]] = []
        self.ended: list[int] = []

    def permit(self) -> None:
        """Everything can be written down."""

    def note(self, visit: Visit, status: int, seconds: float) -> None:
        self.ended.append(status)

    def turned_away(self, address: str, code: str) -> None:
        self.away.append((address, code))

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked")


@pytest.fixture
def keys() -> Iterator[Keys]:
    """Keys in memory, none of them made."""
    made = Keys.in_memory()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({b"authorization": b"Bearer k"}, "k"),
        ({b"authorization": b"bEARER   k "}, "k"),
        ({b"api-key": b" k "}, "k"),
        ({b"authorization": b"", b"api-key": b"k"}, "k"),
        ({b"authorization": b"Bearer ", b"api-key": b"k"}, "k"),
        ({b"authorization": b"Basic dTpw", b"api-key": b"k"}, "k"),
        ({b"authorization": b"Basic dTpw"}, None),
        ({b"authorization": b"Bearer k", b"api-key": b"other"}, "k"),
        ({b"authorization": b"Bearer \xff"}, "\xff"),
    ],
)
def test_a_key_stands_in_either_header_and_an_empty_one_is_none(headers: dict[bytes, bytes], key: str | None) -> None:
    """Bearer first; what is no Bearer is no key."""
    assert presented_key(headers) == key


def test_whoever_is_turned_away_is_told_to_the_ledger_without_the_key(keys: Keys) -> None:
    """By address and code."""
    gate = Gate()
    entrance = Entrance(keys, ledger=gate)
    for headers in ({}, {b"api-key": b"fh_no"}):
        with pytest.raises(FreeholdError):
            entrance.admit(headers, ASKED)
    assert gate.away == [("10.0.0.1", "key_missing"), ("10.0.0.1", "key_wrong")]


def code_for(entrance: Entrance, forwarded: str, key: str = "fh_no") -> str:
    """What a request through a proxy that says this comes to; "" where it is let in."""
    try:
        entrance.admit({b"api-key": key.encode(), b"x-forwarded-for": forwarded.encode()}, ASKED)
    except FreeholdError as refused:
        return refused.code
    return ""


def test_who_guesses_behind_a_proxy_is_not_heard_and_its_neighbours_are(keys: Keys) -> None:
    """The client's address counts where the proxy is trusted; from anybody else the header hides nobody."""
    key = keys.create("new", "client")
    trusting = Entrance(keys, proxies=TrustedProxies([ASKED.address]))
    told = [code_for(trusting, "198.51.100.1, 192.0.2.1") for _ in range(ATTEMPTS + 1)]
    assert told == ["key_wrong"] * ATTEMPTS + ["key_guessing"]
    assert code_for(trusting, "198.51.100.1, 192.0.2.1", key) == "key_guessing"
    assert code_for(trusting, "192.0.2.1, 198.51.100.1", key) == ""
    told = [code_for(Entrance(keys), f"192.0.2.{number}") for number in range(ATTEMPTS + 1)]
    assert told[-1] == "key_guessing"


def test_a_stranger_sees_what_belongs_to_nobody(keys: Keys) -> None:
    """Probes come without a key."""
    visit = Entrance(keys, lambda: {"m": "them"}).look_in({}, ASKED)
    assert not visit.sees("m")
    assert visit.sees("free")
    visit.end(200, 0.0)
    assert visit.headers() == ()


def test_who_looks_in_with_a_key_sees_what_it_sees(keys: Keys) -> None:
    """`freehold ps` asks what is public; a wrong key there is none, and counts as a guess."""
    entrance = Entrance(keys, lambda: {"m": "them"})
    for tenant, sees in (("them", True), ("us", False)):
        key = keys.register.create(tenant, "viewer", tenant=tenant)
        keys.refresh()
        visit = entrance.look_in({b"api-key": key.encode()}, ASKED)
        assert visit.sees("m") is sees
    for _ in range(ATTEMPTS):
        assert not entrance.look_in({b"api-key": b"fh_no"}, ASKED).sees("m")
    with pytest.raises(FreeholdError, match="key_guessing"):
        entrance.admit({b"api-key": b"fh_no"}, ASKED)


def test_an_open_entrance_closes_with_the_first_key_and_stays_closed(
    keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """Revoking the last key, or a register that was emptied, is no invitation; the log says it once."""
    entrance = Entrance(keys, until_keys=True)
    assert entrance.is_open
    keys.create("first", "client")
    assert not entrance.is_open
    with keys.register.database.writing() as transaction:
        transaction.execute("DELETE FROM keys")
    keys.refresh()
    assert keys.none_made
    assert not entrance.is_open
    assert len([record for record in caplog.records if "from now on" in record.message]) == 1
    assert not Entrance(keys).is_open


def test_what_anyone_does_is_written_down_of_nobody(keys: Keys) -> None:
    """While the entrance is open: all models are seen, limits are not asked, and usage and audit are kept."""
    gate = Gate()
    entrance = Entrance(keys, lambda: {"m": "them"}, ledger=gate, until_keys=True)
    visit = entrance.admit({b"api-key": b"any"}, ASKED)
    assert (visit.key.name, visit.sees_all, visit.sees("m"), visit.owns("m")) == ("", True, True, True)
    asyncio.run(visit.begin())
    visit.end(200, 0.1)
    assert gate.ended == [200]
    assert entrance.look_in({}, ASKED).sees("m")


def test_a_request_keeps_the_tenants_that_held_when_it_began(keys: Keys) -> None:
    """The file may change meanwhile."""
    owners = {"m": "us"}
    entrance = Entrance(keys, lambda: owners)
    before = entrance.look_in({}, ASKED)
    owners = {}
    assert not before.sees("m")
    assert entrance.look_in({}, ASKED).sees("m")


def test_a_page_in_a_browser_changes_nothing_where_no_key_is_asked_for(keys: Keys) -> None:
    """Any site that a person visits may send to their own machine; with a key it is somebody who may."""
    entrance, page = Entrance(keys, until_keys=True), {b"origin": b"https://elsewhere.example"}
    for right in ("repository", "admin"):
        asked = ASKED._replace(right=right)
        assert entrance.admit({}, asked).key.role == "admin"
        with pytest.raises(FreeholdError) as caught:
            entrance.admit(page, asked)
        assert caught.value.code == "page_refused"
    assert entrance.admit(page, ASKED).key.role == "admin"
    key = keys.create("one", "admin")
    assert entrance.admit({**page, b"api-key": key.encode()}, ASKED._replace(right="admin")).key.name == "one"
