"""Which route a path leads to."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.http.routing import REMEMBERED, Router, dialect_at

ROWS = [
    ("GET", "/models", "list"),
    ("GET", "/models/stats", "stats"),
    ("GET", "/models/{model}", "show"),
    ("DELETE", "/models/{model}", "drop"),
    ("POST", "/models/{model}/infer", "infer"),
    ("POST", "/models/{model}/versions/{version}/infer", "infer one"),
    ("POST", "/{model}/versions/x/y/z", "odd"),
]


def test_a_fixed_path_goes_before_a_capture() -> None:
    """`/models/stats` is not the model named stats, but that model's own paths are found."""
    router = Router(ROWS)
    assert router.find("/models/stats") == ({"GET": "stats"}, {})
    assert router.find("/models/stats/infer") == ({"POST": "infer"}, {"model": "stats"})


def test_methods_of_one_path_stand_together() -> None:
    """So that a wrong one can be told from a wrong path."""
    assert Router(ROWS).find("/models/m") == ({"GET": "show", "DELETE": "drop"}, {"model": "m"})


def test_paths_of_one_length_with_captures_at_other_places_do_not_mix() -> None:
    """Both shapes have five segments after the root."""
    router = Router(ROWS)
    assert router.find("/models/m/versions/3/infer") == ({"POST": "infer one"}, {"model": "m", "version": "3"})
    assert router.find("/m/versions/x/y/z") == ({"POST": "odd"}, {"model": "m"})


@pytest.mark.parametrize("path", ["", "/", "//", "models", "/models//infer", "/models/a/b/infer", "/models/%80"])
def test_what_stands_nowhere_is_none(path: str) -> None:
    """Empty names and names that are not UTF-8 are no names."""
    assert Router(ROWS).find(path) is None


@given(st.text(min_size=1))
def test_every_name_comes_back_from_its_escapes(name: str) -> None:
    """A client that escapes as it should reaches any model."""
    encodable = name.encode("utf-8", "replace").decode("utf-8")
    assert Router(ROWS).find(f"/models/{quote(encodable, safe='')}/infer") == ({"POST": "infer"}, {"model": encodable})


@given(st.text())
def test_no_path_breaks_the_search(path: str) -> None:
    """Whatever comes over the wire leads somewhere or nowhere."""
    Router(ROWS).find(path)


def test_a_path_declared_with_other_names_is_a_mistake() -> None:
    """`{model}` here and `{name}` there would hand endpoints what they do not expect."""
    with pytest.raises(ValueError, match="names its captures"):
        Router([*ROWS, ("PUT", "/models/{name}", "put")])


@pytest.mark.parametrize(
    ("path", "dialect"),
    [("/v2", "oip"), ("/v2/models", "oip"), ("/v2x", "openai"), ("/v1/v2", "openai"), ("", "openai")],
)
def test_the_prefix_tells_the_dialect(path: str, dialect: str) -> None:
    """For paths where nothing stands that could tell."""
    assert dialect_at(path) == dialect


def test_what_is_remembered_is_bounded_and_right() -> None:
    """More paths than are remembered, asked twice, still find their own names; long ones are not remembered."""
    router = Router([("GET", "/v2/models/{model}", "metadata")])
    for _ in range(2):
        assert router.find(f"/v2/models/{'m' * 60_000}") is not None
        assert sum(map(len, router._found)) < 60_000
        for number in range(REMEMBERED + 10):
            assert router.find(f"/v2/models/m{number}") == ({"GET": "metadata"}, {"model": f"m{number}"})
