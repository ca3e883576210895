"""What services of ours tell, read back."""

import pytest

from freehold.cli.output import LABELS, Output
from freehold.deploy.services.told import Model, Readiness, Trouble, last_trouble, readiness
from freehold.errors import FreeholdError

ERROR = FreeholdError("config_not_found", path="x.yaml")
ENGLISH = Output().told(ERROR, LABELS["en"].error)
CHINESE = Output(language="zh").told(ERROR, LABELS["zh"].error)
NOTHING = Output().told(FreeholdError("nothing_loaded", models="a"), LABELS["en"].error)


@pytest.mark.parametrize(
    "said",
    [
        ENGLISH,
        f"2026 INFO x\n{ENGLISH}\nbye",
        f"{ENGLISH}\n{NOTHING}\n",
        f"{ENGLISH}\r\n",
        f"error: of something else\n{ENGLISH}",
    ],
)
def test_an_error_is_found_among_other_lines(said: str) -> None:
    """And the reason before its consequence."""
    assert last_trouble(said) == Trouble("config_not_found", ERROR.cause, ERROR.fix)


def test_an_error_is_found_in_both_languages() -> None:
    """A service may write Chinese."""
    assert last_trouble(CHINESE) == Trouble("config_not_found", *ERROR.in_language("zh"))


def test_the_consequence_alone_is_better_than_nothing() -> None:
    """Where the lines before it are gone."""
    trouble = last_trouble(NOTHING)
    assert trouble is not None
    assert trouble.code == "nothing_loaded"


@pytest.mark.parametrize("said", ["", "error: half", Output().told(ERROR, LABELS["en"].note)])
def test_what_is_no_error_of_ours_is_left(said: str) -> None:
    """Another program's words, and our notes."""
    assert last_trouble(said) is None


def test_readiness_is_read_as_far_as_it_is_known() -> None:
    """With fields of a newer server beside it; what is something else is nothing."""
    body = (
        b'{"ready": false, "models": [{"id": "a", "state": "failed", "error": {"code": "x"}}], "configuration": "ab"}\n'
    )
    assert readiness(body) == Readiness((Model("a", "failed", Trouble("x")),), (), "ab")
    assert readiness("Bad Gateway") is None
    assert readiness("[]") is None
