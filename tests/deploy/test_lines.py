"""Lines of several sources as one stream."""

from collections.abc import Iterator

import pytest

from freehold.deploy.lines import together
from freehold.errors import FreeholdError


def test_one_source_is_as_it_is() -> None:
    """Nothing is put before its lines; no source has none."""
    assert list(together({"a": iter(["1", "2"])})) == ["1", "2"]
    assert list(together({})) == []


def test_lines_of_several_say_where_they_come_from() -> None:
    """Each source's own in their order."""
    lines = list(together({"a": iter(["1", "2"]), "b": iter(["3"])}))
    assert sorted(lines) == ["a: 1", "a: 2", "b: 3"]
    assert [line for line in lines if line[0] == "a"] == ["a: 1", "a: 2"]


def test_a_source_that_fails_is_told() -> None:
    """As it was raised there."""

    def failing() -> Iterator[str]:
        yield "1"
        raise FreeholdError("config_not_found", path="x")

    with pytest.raises(FreeholdError, match="config_not_found"):
        list(together({"a": failing(), "b": iter([])}))
