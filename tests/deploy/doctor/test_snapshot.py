"""The document of facts, and reading it whatever it holds."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.doctor.snapshot import Snapshot, SnapshotError

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", 'no "freehold_doctor"'),
        ('{"checks": []}', 'no "freehold_doctor"'),
        ('{"freehold_doctor": 2, "facts": {}}', "format 2, and this version reads 1"),
        ('{"freehold_doctor": 1, "facts": []}', '"facts" are no object'),
    ],
)
def test_a_broken_or_foreign_file_is_told_from_a_snapshot(text: str, said: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(SnapshotError, match=r"\w") as refused:
        Snapshot.parse(text)
    assert said in str(refused.value)


def test_values_are_read_by_their_path_and_type() -> None:
    """What is absent or of another type is None or empty."""
    facts = {"a": {"n": 4, "t": "x", "f": True, "l": ["p", 1, "q"], "o": [{"n": 1}, 3], "m": {"k": {"n": 2}, "z": 1}}}
    snapshot = Snapshot.parse(json.dumps({"freehold_doctor": 1, "facts": facts, "unknown": {"b": "gone"}}))
    assert (snapshot.number("a", "n"), snapshot.number("a", "t"), snapshot.number("a", "f")) == (4.0, None, None)
    assert (snapshot.text("a", "t"), snapshot.text("a", "n"), snapshot.text("b")) == ("x", None, None)
    assert (snapshot.flag("a", "f"), snapshot.flag("a", "n")) == (True, None)
    assert (snapshot.texts("a", "l"), snapshot.texts("a", "t")) == (("p", "q"), ())
    assert [one.number("n") for one in snapshot.each("a", "o")] == [1.0]
    assert [(name, one.number("n")) for name, one in snapshot.named("a", "m")] == [("k", 2.0)]
    assert (snapshot.reason("b"), snapshot.reason("a")) == ("gone", None)
    assert (snapshot.has("a"), snapshot.has("a", "t", "x")) == (True, False)


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, -(10**30)])
def test_no_number_is_beyond_reckoning(value: float) -> None:
    """JSON can carry numbers that nothing can be computed with."""
    assert Snapshot({"n": value}).number("n") is None


@settings(max_examples=50)
@given(ANY)
def test_reading_never_raises(facts: Any) -> None:
    """Whatever lies where the facts should."""
    snapshot = Snapshot(facts, facts)
    for path in (("a",), ("a", "b"), ("b", "a", "a")):
        snapshot.number(*path), snapshot.text(*path), snapshot.flag(*path), snapshot.texts(*path), snapshot.has(*path)
        list(snapshot.each(*path)), list(snapshot.named(*path)), snapshot.reason(path[0])


def test_a_snapshot_gives_no_orders_to_a_terminal() -> None:
    """It may come from anybody."""
    snapshot = Snapshot({"os": {"name": "\x1b]0;x\x07Debian"}, "flags": ["a\x9b2J"]}, {"cpu": "no\n\x1b[2Jwhy"})
    assert snapshot.text("os", "name") == " ]0;x Debian"
    assert snapshot.texts("flags") == ("a 2J",)
    assert snapshot.reason("cpu") == "no [2Jwhy"
