"""What the configuration says of how much keys and teams may use."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import Access, KeyLimits, load
from freehold.errors import FreeholdError

MODEL = "model: {path: a.onnx}\n"


def test_nothing_is_limited_unless_told() -> None:
    """And where limits cannot be counted, requests go on."""
    assert Access().limits == KeyLimits(None, None, None, None, None)
    assert Access().teams == {}
    assert Access().when_unreachable == "go_on"


def test_limits_are_those_of_each_key_and_those_of_teams(write: Callable[[str], Path], tmp_path: Path) -> None:
    """In the words of `keys create`, with underscores."""
    write(MODEL + "access: {limits: {requests_per_minute: 60, parallel: 4}, teams: {search: {tokens_per_day: 9}}}\n")
    access = load(None, {}, tmp_path).access
    assert access.limits == KeyLimits(requests_per_minute=60, parallel=4)
    assert access.teams == {"search": KeyLimits(tokens_per_day=9)}


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ("limits: {requests_per_minute: 0}", "`access.limits.requests_per_minute` is 0"),
        ("limits: {request_per_minute: 5}", "requests_per_minute"),
        ("teams: {search: {parallel: -1}}", "`access.teams.search.parallel` is -1"),
        ("teams: {search: 5}", "`access.teams.search` is 5"),
        ("when_unreachable: wait", "go_on | refuse"),
    ],
)
def test_what_is_no_limit_is_told_with_its_place(
    write: Callable[[str], Path], tmp_path: Path, access: str, words: str
) -> None:
    """0 would be a key that may do nothing: such a key is revoked."""
    write(MODEL + f"access: {{{access}}}\n")
    with pytest.raises(FreeholdError) as caught:
        load(None, {}, tmp_path)
    assert words in f"{caught.value.cause} {caught.value.fix}"
