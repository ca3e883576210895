"""What a hub holds, and names that would leave the folder."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.adapt.fetch.repository import RemoteFile, Repository, safe_name
from freehold.errors import FreeholdError


def test_a_repository_knows_its_files(repository: Callable[..., Repository]) -> None:
    """By name; its address is without the revision."""
    there = repository("a", "b/c")
    assert there.uri == "hf://org/m"
    assert there.file("b/c") == there.files[1]
    assert there.file("c") is None


def test_contents_are_told_apart() -> None:
    """By digest, git id, else size."""
    marks = [
        RemoteFile("f", 10, "", sha256="a" * 64).mark,
        RemoteFile("f", 10, "", git_sha1="b" * 40).mark,
        RemoteFile("f", 10, "").mark,
    ]
    assert marks == ["a" * 16, "b" * 16, "a"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "a//b", "./a", "", ".", "a\\b", "a\nb", "a/"])
def test_a_name_that_would_leave_the_folder_is_refused(name: str) -> None:
    """However it is written."""
    with pytest.raises(FreeholdError) as failure:
        safe_name(name, "hub")
    assert failure.value.code == "hub_answer_invalid"


@given(st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", fullmatch=True), min_size=1, max_size=4))
def test_ordinary_names_stay(words: list[str]) -> None:
    """As they are."""
    assert safe_name("/".join(words), "hub") == "/".join(words)
