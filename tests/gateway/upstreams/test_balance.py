"""Who gets a request: bounds hold at any load, and few keys move when servers come and go."""

from collections import Counter
from dataclasses import dataclass
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.gateway.upstreams.balance import OVER_MEAN, by_key, least, seed_of


@dataclass
class Server:
    """As much of one as is looked at."""

    name: str
    outstanding: int = 0
    turn: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        self.seed = seed_of(self.name)


def servers(count: int) -> list[Server]:
    return [Server(f"http://10.0.0.{number}:8000/v1") for number in range(count)]


def owner(among: list[Server], key: bytes) -> str:
    chosen = by_key(among, key, None)
    assert chosen is not None
    return chosen.name


COMINGS = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=120)
"""Requests that come, with a key, and ones that end."""


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), COMINGS, st.booleans())
def test_no_server_gets_more_than_its_bound(
    count: int, pending: int, comings: list[tuple[bool, int]], by: bool
) -> None:
    """And a request is refused only when each has its bound."""
    among = servers(count)
    for comes, number in comings:
        if comes:
            chosen = by_key(among, b"%d" % number, pending) if by else least(among, pending)
            assert (chosen is None) == all(server.outstanding == pending for server in among)
            if chosen is not None:
                chosen.outstanding += 1
                assert chosen.outstanding <= pending
        elif among[number % count].outstanding:
            among[number % count].outstanding -= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), COMINGS)
def test_loads_of_keys_are_bounded(count: int, comings: list[tuple[bool, int]]) -> None:
    """However few keys there are: who gets a request has at most ceil(1.25 * mean) with it."""
    among = servers(count)
    for comes, number in comings:
        if comes:
            chosen = by_key(among, b"%d" % number, None)
            assert chosen is not None
            chosen.outstanding += 1
            mean = sum(server.outstanding for server in among) / count
            assert chosen.outstanding <= ceil(OVER_MEAN * mean)
        elif among[number % count].outstanding:
            among[number % count].outstanding -= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_the_least_busy_is_chosen_and_equals_take_turns(loads: list[int], turns: list[int]) -> None:
    """Of those with the fewest requests the one whose last turn is longest ago."""
    among = [Server(str(place), load, turn) for place, (load, turn) in enumerate(zip(loads, turns, strict=False))]
    chosen = least(among, None)
    assert chosen is not None
    assert chosen.outstanding == min(loads)
    assert chosen.turn == min(server.turn for server in among if server.outstanding == chosen.outstanding)


def test_idle_servers_share_evenly() -> None:
    """One request at a time goes round."""
    among, seen = servers(3), []
    for turn in range(1, 10):
        chosen = least(among, 1)
        assert chosen is not None
        chosen.turn = turn
        seen.append(chosen.name)
    assert seen == [server.name for server in among] * 3


def test_nobody_is_chosen_from_nobody() -> None:
    """Neither way."""
    assert least([], None) is None
    assert by_key([], b"k", None) is None


def test_keys_are_shared_out_evenly() -> None:
    """Each of five gets a fifth of 5,000 keys, within a tenth."""
    shares = Counter(owner(servers(5), b"key %d" % number) for number in range(5000))
    assert len(shares) == 5
    assert all(900 <= share <= 1100 for share in shares.values())


def test_a_server_that_comes_or_goes_moves_only_its_own_keys() -> None:
    """About 1/n of them: nobody else loses what it has computed."""
    for count in (2, 3, 8):
        more = servers(count)
        fewer = more[:-1]
        keys = [b"key %d" % number for number in range(3000)]
        owners = [(owner(more, key), owner(fewer, key)) for key in keys]
        moved = [pair for pair in owners if pair[0] != pair[1]]
        assert all(before == more[-1].name for before, _ in moved)
        assert abs(len(moved) / len(keys) - 1 / count) < 0.03


def test_a_full_servers_keys_are_spread_and_come_back() -> None:
    """What the owner cannot take goes to all others; once it is free it has its keys again."""
    among = servers(4)
    keys = [key for number in range(200) if owner(among, key := b"key %d" % number) == among[0].name]
    among[0].outstanding = 5
    assert {owner(among, key) for key in keys} == {server.name for server in among[1:]}
    among[0].outstanding = 0
    assert {owner(among, key) for key in keys} == {among[0].name}
