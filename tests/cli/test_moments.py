"""Moments as people type them."""

import time

import pytest

from freehold.cli.moments import moment
from freehold.errors import FreeholdError

ZONED = 1_795_428_000.0  # 2026-11-23T10:00Z


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_so_long_ago(text: str, seconds: int) -> None:
    """Before now."""
    before = time.time() - seconds
    assert before <= moment("--since", text) <= time.time() - seconds


@pytest.mark.parametrize("text", ["2026-11-23T10:00", "2026-11-23T10:00Z", "2026-11-23T18:00+08:00"])
def test_a_moment(text: str) -> None:
    """Of ISO 8601; without a zone it is UTC."""
    assert moment("--since", text) == ZONED


def test_nothing_is_before_1970() -> None:
    """What the clock of a machine cannot tell is no moment of an audit."""
    assert moment("--since", "999999999w") == moment("--since", "0001-01-01") == 0.0


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7x", "-7d", "2026-13-01", "²d"])
def test_anything_else_is_wrong(text: str) -> None:
    """The option is named."""
    with pytest.raises(FreeholdError, match="--since is") as wrong:
        moment("--since", text)
    assert wrong.value.code == "audit_option_invalid"
