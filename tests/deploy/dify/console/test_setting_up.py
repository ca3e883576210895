"""Waiting until Dify is ready; giving a new one its administrator."""

import pytest

from freehold.deploy.dify.console import open_console, set_up
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened, account, door
from tests.dify_console.server import serving
from tests.dify_console.state import Dify


def test_a_new_one_gets_its_administrator_once(said: list[str]) -> None:
    """A second time nothing is done, and the account works."""
    dify = Dify()
    with serving(dify):
        assert set_up(door(dify), account(), said.append, name="Anna", language="zh-Hans")
        assert not set_up(door(dify), account(password="another1"), said.append)
        with open_console(door(dify), account(), said.append) as console:
            assert console.version == "1.15.0"
    assert [(user.name, user.password, user.language) for user in dify.users] == [("Anna", "secret123", "zh-Hans")]


def test_the_init_password_comes_first(said: list[str]) -> None:
    """It opens the setup for the session that gave it."""
    dify = Dify(init_password="open-sesame")
    with serving(dify):
        assert set_up(door(dify), account(), said.append, init_password="open-sesame")
    assert len(dify.users) == 1


@pytest.mark.parametrize("given", [None, "wrong-sesame"])
def test_a_missing_or_wrong_init_password_is_told(said: list[str], given: str | None) -> None:
    """Nothing is set up, and the password is not shown."""
    dify = Dify(init_password="open-sesame")
    with serving(dify), pytest.raises(FreeholdError, match=r"\[dify_console_init_password\]") as refused:
        set_up(door(dify), account(), said.append, init_password=given)
    assert "sesame" not in str(refused.value)
    assert dify.users == []


@pytest.mark.parametrize("password", ["short1", "letters-only", "12345678"])
def test_a_password_that_dify_does_not_take_is_told_before_anything(password: str) -> None:
    """Nothing is asked."""
    with pytest.raises(FreeholdError, match=r"\[dify_console_setup_password\]"):
        set_up(door(Dify(url="http://127.0.0.1:9")), account(password=password), print)


def test_who_is_overtaken_finds_it_done(said: list[str]) -> None:
    """Another one made the administrator between the question and the deed."""
    dify = Dify().with_user()
    dify.changed["GET /console/api/setup"] = lambda _: {"step": "not_started"}
    with serving(dify):
        assert not set_up(door(dify), account(), said.append)


def test_a_setup_that_is_refused_says_why(said: list[str]) -> None:
    """In Dify's words."""
    dify = Dify(broken={"POST /console/api/setup": (400, {"code": "invalid_param", "message": "no such language"})})
    with serving(dify), pytest.raises(FreeholdError, match=r"no such language \[dify_console_refused\]"):
        set_up(door(dify), account(), said.append)


def test_one_that_starts_is_waited_for(opened: Opened, dify: Dify, said: list[str]) -> None:
    """What is seen meanwhile is said once."""
    dify.outages = 3
    with opened(dify):
        pass
    assert [line for line in said if "502" in line] == said[:1]


def test_waiting_has_an_end(opened: Opened, dify: Dify) -> None:
    """The last that was seen is told."""
    dify.outages = 10_000
    with pytest.raises(FreeholdError, match=r"status 502\. \[dify_console_not_ready\]"), opened(dify, wait_s=0.05):
        pass


def test_nobody_there_is_waited_for_too(said: list[str]) -> None:
    """A port where nothing listens may be one that starts."""
    nobody = open_console(door(Dify(url="http://127.0.0.1:9"), wait_s=0.02), account(), said.append)
    with pytest.raises(FreeholdError, match=r"refused.*\[dify_console_not_ready\]"), nobody:
        pass


def test_what_has_no_administrator_is_told(opened: Opened) -> None:
    """Nobody can sign in yet."""
    with pytest.raises(FreeholdError, match=r"\[dify_console_not_set_up\]"), opened(Dify()):
        pass


@pytest.mark.parametrize(
    ("status", "document", "code"),
    [
        (404, {"detail": "Not Found"}, "dify_console_absent"),
        (200, {"hello": "world"}, "dify_console_shape"),
        (403, {"code": "forbidden", "message": "not from here"}, "dify_console_forbidden"),
    ],
)
def test_what_is_no_dify_is_told_at_once(opened: Opened, dify: Dify, status: int, document: object, code: str) -> None:
    """Waiting would not mend it."""
    dify.broken["GET /console/api/setup"] = (status, document)
    with pytest.raises(FreeholdError, match=rf"\[{code}\]"), opened(dify):
        pass
    assert len(dify.asked) == 1
