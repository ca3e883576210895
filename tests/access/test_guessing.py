"""Wrong keys again and again: which address is not heard, for how long, and who goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.access import guessing as module
from freehold.access.guessing import ATTEMPTS, LOCK_S, LONGEST_LOCK_S, WINDOW_S, Guessing, network
from freehold.errors import FreeholdError
from tests.access.conftest import Clock

KEY, OTHER, WRONG = b"a" * 32, b"b" * 32, b"c" * 32


@pytest.fixture
def guessing(clock: Clock) -> Guessing:
    """Nobody failed yet."""
    return Guessing(clock)


def guess(guessing: Guessing, address: str, times: int = ATTEMPTS) -> None:
    """So many wrong keys from one address."""
    for _ in range(times):
        guessing.failed(address, WRONG)


def test_too_many_wrong_keys_are_not_heard_any_more(guessing: Guessing, clock: Clock) -> None:
    """Until the lock ends; the answer says when."""
    guess(guessing, "192.0.2.1")
    clock.now += 20.5
    with pytest.raises(FreeholdError, match="key_guessing") as caught:
        guessing.failed("192.0.2.1", WRONG)
    assert caught.value.details["retry_after_s"] == 40
    clock.now += 40
    guessing.failed("192.0.2.1", WRONG)


def test_a_right_key_is_not_heard_either_where_it_is_new(guessing: Guessing, clock: Clock) -> None:
    """Else a guess that is right would be one."""
    guess(guessing, "192.0.2.1")
    with pytest.raises(FreeholdError, match="key_guessing"):
        guessing.welcome("192.0.2.1", KEY)
    guessing.welcome("192.0.2.2", KEY)
    clock.now += LOCK_S
    guessing.welcome("192.0.2.1", KEY)


def test_a_key_that_was_right_there_before_goes_on(guessing: Guessing) -> None:
    """All of a Dify share an address: one provider with an old key must not end the others."""
    guessing.welcome("192.0.2.1", KEY)
    guess(guessing, "192.0.2.1")
    guessing.welcome("192.0.2.1", KEY)
    with pytest.raises(FreeholdError, match="key_guessing"):
        guessing.welcome("192.0.2.1", OTHER)


def test_a_key_that_was_tried_too_soon_locks_nobody_out(guessing: Guessing) -> None:
    """It was made a moment ago, and many requests came with it before it was known here: no guess was among them."""
    for _ in range(ATTEMPTS):
        guessing.failed("192.0.2.1", KEY)
    with pytest.raises(FreeholdError, match="key_guessing"):
        guessing.welcome("192.0.2.1", OTHER)
    guessing.welcome("192.0.2.1", KEY)
    guessing.welcome("192.0.2.1", OTHER)


def test_what_was_tried_long_ago_opens_no_lock(guessing: Guessing, clock: Clock) -> None:
    """Only the wrong keys that ended in this one are remembered, so that they are few."""
    guessing.failed("192.0.2.1", KEY)
    clock.now += WINDOW_S + 1
    guess(guessing, "192.0.2.1")
    with pytest.raises(FreeholdError, match="key_guessing"):
        guessing.welcome("192.0.2.1", KEY)


def test_few_wrong_keys_are_forgotten(guessing: Guessing, clock: Clock) -> None:
    """A mistake now and then locks nobody out."""
    for _ in range(5):
        guess(guessing, "192.0.2.1", ATTEMPTS - 1)
        clock.now += WINDOW_S + 1


def test_each_lock_lasts_twice_as_long_up_to_an_hour(guessing: Guessing, clock: Clock) -> None:
    """Whoever goes on waits longer."""
    lasted = []
    for _ in range(9):
        guess(guessing, "192.0.2.1")
        with pytest.raises(FreeholdError) as caught:
            guessing.failed("192.0.2.1", WRONG)
        lasted.append(caught.value.details["retry_after_s"])
        clock.now += float(str(lasted[-1]))
    assert lasted[:3] == [LOCK_S, 2 * LOCK_S, 4 * LOCK_S]
    assert lasted[-1] == LONGEST_LOCK_S


def test_one_customer_of_ipv6_is_one_address(guessing: Guessing) -> None:
    """Who has a /64 has as many addresses as there are."""
    for number in range(ATTEMPTS):
        guessing.failed(f"2001:db8::{number + 1:x}", WRONG)
    with pytest.raises(FreeholdError, match="key_guessing"):
        guessing.failed("2001:db8::ffff:1", WRONG)
    guessing.failed("2001:db8:0:1::1", WRONG)


def test_what_is_remembered_is_bounded(guessing: Guessing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses that failed last, and the first that were right."""
    monkeypatch.setattr(module, "ADDRESSES", 10)
    monkeypatch.setattr(module, "ACQUAINTED", 10)
    for number in range(100):
        guessing.failed(f"192.0.2.{number}", WRONG)
        guessing.welcome(f"198.51.100.{number}", KEY)
    assert len(guessing._failures) == len(guessing._acquainted) == 10
    assert "192.0.2.99" in guessing._failures


def test_an_unknown_address_is_not_counted(guessing: Guessing) -> None:
    """A Unix socket has none: everybody behind it would be one."""
    guess(guessing, "", 10 * ATTEMPTS)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_what_counts_as_one_address(address: str, counted: str) -> None:
    """An IPv4 address however it is written; a /64."""
    assert network(address) == counted


@given(st.text())
def test_any_text_is_some_address(address: str) -> None:
    """Nothing that a transport may say of its peer ends a request."""
    assert isinstance(network(address), str)
