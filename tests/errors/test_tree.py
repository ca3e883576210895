"""The exception that every room raises."""

import pytest

from freehold.errors import FreeholdError, Kind


def test_an_error_fills_its_texts_from_its_details() -> None:
    """Cause and fix show the values seen; the message ends with the code."""
    error = FreeholdError("config_key_twice", where="freehold.yaml:7", key="server.port", first=3)
    assert error.cause == "freehold.yaml:7: the key `server.port` is already set in line 3."
    assert str(error).endswith("[config_key_twice]")
    assert error.kind is Kind.INVALID
    assert error.details["first"] == 3


def test_an_error_speaks_both_languages() -> None:
    """The same details fill the English and the Chinese texts."""
    error = FreeholdError("config_not_found", path="x.yaml")
    assert error.in_language("en") == (error.cause, error.fix)
    cause, _ = error.in_language("zh")
    assert cause == "配置文件 x.yaml 不存在。"


def test_a_missing_detail_is_a_defect_where_it_is_raised() -> None:
    """A placeholder without its detail fails at once, rather than when somebody reads the message."""
    with pytest.raises(KeyError, match="path"):
        FreeholdError("config_not_found")


def test_an_unknown_code_is_a_defect_where_it_is_raised() -> None:
    """There is no error without a row."""
    with pytest.raises(KeyError, match="no_such_code"):
        FreeholdError("no_such_code")


def test_the_same_failure_can_be_raised_for_each_caller() -> None:
    """Equal in all that is told, and without the frames that the first one was raised in."""
    first = FreeholdError("model_loading", model="m")
    with pytest.raises(FreeholdError):
        raise first
    again = first.again()
    assert (again.code, again.details, str(again)) == (first.code, first.details, str(first))
    assert again.__traceback__ is None
