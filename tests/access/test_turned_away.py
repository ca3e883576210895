"""Failed logins in groups."""

from freehold.access.turned_away import ELSEWHERE, LISTED, MOST, Refused, TurnedAway


def test_those_of_one_address_are_one_line() -> None:
    """With how many there were, and nothing of who it was, since nobody knows."""
    group = TurnedAway()
    for _ in range(3):
        group.add(Refused("login", "192.0.2.7", "key_wrong"))
    group.add(Refused("login", "192.0.2.7", "key_missing"))
    acts = group.drain()
    assert [(act.what, act.where, act.outcome, act.details["times"]) for act in acts] == [
        ("login", "192.0.2.7", "key_wrong", 3),
        ("login", "192.0.2.7", "key_missing", 1),
    ]
    assert {(act.who, act.tenant) for act in acts} == {("", "")}
    assert group.drain() == []


def test_a_flood_is_a_few_lines() -> None:
    """Those that failed most have their own; all others are one, and none is forgotten."""
    group = TurnedAway()
    for number in range(3 * MOST):
        group.add(Refused("login", f"2001:db8::{number:x}", "key_wrong"))
    group.add(Refused("login", "2001:db8::5", "key_wrong"))
    acts = group.drain()
    assert len(acts) == LISTED + 1
    assert (acts[0].where, acts[0].details["times"]) == ("2001:db8::5", 2)
    assert acts[-1].where == ELSEWHERE
    assert sum(int(act.details["times"]) for act in acts) == 3 * MOST + 1


def test_what_was_forbidden_is_told_apart_from_failed_logins() -> None:
    """By what it was and whose key that was; beyond those that are listed, by what it was alone."""
    group = TurnedAway()
    for number in range(LISTED + 5):
        group.add(Refused("repository.denied", "192.0.2.7", "403", f"k{number}", "acme"))
        group.add(Refused("login", "192.0.2.7", "key_wrong"))
    acts = group.drain()
    assert [(act.what, act.who, act.tenant, act.details["times"]) for act in acts[:2]] == [
        ("login", "", "", LISTED + 5),
        ("repository.denied", "k0", "acme", 1),
    ]
    assert [(act.what, act.who, act.where, act.details["times"]) for act in acts[LISTED:]] == [
        ("repository.denied", "", ELSEWHERE, 6)
    ]
