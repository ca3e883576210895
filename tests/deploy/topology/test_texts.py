"""What stands in the places of a release's texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.topology.texts import filled, secrets_in, without, written


def test_facts_and_choices_are_written_in() -> None:
    """A fact by its name, a choice of the user's or its default, quoted where it is said; braces alone stay."""
    facts, chosen = {"host.api": "dify-api", "redis.user": "a@b"}, {"SIZE": "5", "EMPTY": ""}
    assert written("http://${host.api}:5001/e/{hook_id}", facts, chosen) == "http://dify-api:5001/e/{hook_id}"
    assert written("${SIZE:-1} ${OTHER:-2} ${EMPTY:-3} ${NONE:-}", facts, chosen) == "5 2  "
    assert written("redis://${redis.user:url}@", facts, chosen) == "redis://a%40b@"


def test_a_fact_that_is_missing_is_a_mistake_of_ours() -> None:
    """No text goes out with a hole."""
    with pytest.raises(KeyError, match=r"host\.apy"):
        written("${host.apy}", {}, {})


def test_secrets_are_filled_in() -> None:
    """As they are, or quoted for an address."""
    text = "redis://:{redis_password:url}@redis/1 {SMTP}"
    assert secrets_in(text) == {"redis_password", "SMTP"}
    values = {"redis_password": "a/b@c", "SMTP": "x{y}"}
    assert filled(text, values) == "redis://:a%2Fb%40c@redis/1 x{y}"
    assert without(text, "redis_password") == "redis://:@redis/1 {SMTP}"
    with pytest.raises(KeyError):
        filled(text, {})


@settings(max_examples=50)
@given(st.text())
def test_a_value_is_never_read_again(value: str) -> None:
    """Whatever is in a secret stays what it is."""
    assert filled("{a}{b}", {"a": value, "b": "{a}"}) == value + "{a}"
