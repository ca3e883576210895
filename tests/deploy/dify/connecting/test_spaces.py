"""In which space an embedding model answers, and when its name changes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.dify.connecting.known import Known
from freehold.deploy.dify.connecting.spaces import LEAST_COSINE, Placing, Spaces, likeness
from freehold.errors import FreeholdError

FIRST = Known("bge", "embed", ("embed",), digest="sha256:" + "1a" * 32, answers={"t": (1.0, 0.0)})


def turned(cosine: float) -> tuple[float, float]:
    """A vector with that cosine to the first one's."""
    return cosine, math.sqrt(1 - cosine * cosine)


@pytest.fixture
def placing(tmp_path: Path) -> Placing:
    """One that knows the first model."""
    placing = Placing(Spaces.read(tmp_path))
    assert placing.id_of(FIRST) == "1a1a1a1a"
    return placing


@pytest.mark.parametrize(("cosine", "stays"), [(1.0, True), (0.9991, True), (0.9989, False), (0.5, False)])
def test_another_artifact_that_answers_alike_keeps_the_space(placing: Placing, cosine: float, stays: bool) -> None:
    """Up to a cosine of 0.999; beyond it the name changes."""
    second = replace(FIRST, digest="sha256:" + "2b" * 32, answers={"t": turned(cosine)})
    assert placing.id_of(second) == ("1a1a1a1a" if stays else "2b2b2b2b")


def test_a_space_does_not_drift(placing: Placing) -> None:
    """A row of artifacts, each like the one before: all are held against the first one's answers."""
    ids = []
    for step in range(1, 5):
        angle = step * 0.9 * math.acos(LEAST_COSINE)
        answers = {"t": (math.cos(angle), math.sin(angle))}
        ids.append(placing.id_of(replace(FIRST, digest=f"sha256:{step}" + "c" * 31, answers=answers)))
    assert ids[0] == "1a1a1a1a"
    assert "1a1a1a1a" not in ids[1:]


def test_going_back_finds_the_space_again(placing: Placing) -> None:
    """Vectors that were indexed before are good again."""
    other = replace(FIRST, digest="sha256:" + "2b" * 32, answers={"t": (0.0, 1.0)})
    assert [placing.id_of(one) for one in (other, FIRST, other)] == ["2b2b2b2b", "1a1a1a1a", "2b2b2b2b"]


def test_without_a_text_in_common_the_digest_tells(placing: Placing) -> None:
    """As when forms are printed and no server is asked."""
    assert placing.id_of(replace(FIRST, answers={})) == "1a1a1a1a"
    assert placing.id_of(replace(FIRST, digest="sha256:" + "2b" * 32, answers={})) == "2b2b2b2b"


def test_answers_go_before_the_digest(placing: Placing) -> None:
    """The same weights behind another prefix are another space, whose name is not that of the first."""
    again = placing.id_of(replace(FIRST, answers={"t": (0.0, 1.0)}))
    assert again != "1a1a1a1a"
    assert len(again) == 8
    assert placing.id_of(replace(FIRST, answers={"t": (0.0, 1.0)})) == again


def test_vectors_of_another_length_are_another_space(placing: Placing) -> None:
    """Even where all they have in common is a text."""
    assert placing.id_of(replace(FIRST, digest="sha256:" + "2b" * 32, answers={"t": (1.0, 0.0, 0.0)})) == "2b2b2b2b"


def test_an_upstream_is_known_by_where_it_is(placing: Placing) -> None:
    """The same on every machine."""
    far = Known("far", seed="https://h/v1 m", answers={"t": (1.0, 0.0)})
    assert placing.id_of(far) == placing.id_of(replace(far, answers={})) == "a008c5e0"


def test_what_is_known_is_kept(placing: Placing, tmp_path: Path) -> None:
    """Whole, by the next run and by other processes."""
    placing.spaces.save()
    assert Spaces.read(tmp_path) == placing.spaces
    assert Spaces.read(tmp_path).placed(replace(FIRST, digest="sha256:other"))[1].id == "1a1a1a1a"


def test_a_broken_record_is_an_error(tmp_path: Path) -> None:
    """Names would change without anybody noticing."""
    file = tmp_path / "dify" / "spaces.json"
    file.parent.mkdir()
    file.write_text("{}x", encoding="utf-8")
    with pytest.raises(FreeholdError) as raised:
        Spaces.read(tmp_path)
    assert raised.value.code == "dify_spaces_invalid"


def test_a_record_that_cannot_be_written_is_an_error(placing: Placing, tmp_path: Path) -> None:
    """The next run would not know."""
    (tmp_path / "dify").write_text("a file", encoding="utf-8")
    with pytest.raises(FreeholdError) as raised:
        placing.spaces.save()
    assert raised.value.code == "dify_state_unwritable"


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 1), min_size=2, max_size=8), st.floats(0.1, 10))
def test_likeness_is_of_directions(vector: list[float], factor: float) -> None:
    """Lengths do not count: Dify brings them all to one."""
    longer = tuple(value * factor for value in vector)
    assert likeness({"a": tuple(vector)}, {"a": longer, "b": (1.0,)}) == pytest.approx(1.0)
    assert likeness({"a": tuple(vector)}, {"b": longer}) is None
