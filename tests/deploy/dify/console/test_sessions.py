"""Signing in: by passwords in both forms, tokens in both places, and the admin key."""

import base64
from pathlib import Path

import pytest

from freehold.deploy.dify.console import AdminKey, open_console
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened, account, door, tls
from tests.dify_console.server import serving
from tests.dify_console.state import Dify, User
from tests.pki import Authority

LOGIN = "POST /console/api/login"


def test_a_password_goes_as_base64(opened: Opened, dify: Dify) -> None:
    """One login, and every later call carries the cookies and the CSRF token."""
    with opened(dify) as console:
        assert console.uses.sees_all()
    assert dify.times(LOGIN) == 1


@pytest.mark.parametrize("tokens", ["cookies", "body"])
def test_an_older_dify_takes_the_password_as_it_is(opened: Opened, dify: Dify, tokens: str) -> None:
    """It is tried once more, plain; tokens may come as cookies or in the body."""
    dify.passwords = "plain"
    dify.tokens = "body" if tokens == "body" else "cookies"
    with opened(dify) as console:
        assert console.uses.sees_all()
    assert dify.times(LOGIN) == 2
    assert dify.wrong == {}


def test_a_wrong_password_is_tried_in_two_forms_at_most(opened: Opened, dify: Dify) -> None:
    """An account is locked after five; neither form of the password is told."""
    wrong = account(password="wrong-one-1")
    with pytest.raises(FreeholdError, match=r"\[dify_console_password\]") as refused, opened(dify, wrong):
        pass
    assert dify.times(LOGIN) == 2
    assert "wrong-one-1" not in f"{refused.value} {refused.value.details}"
    assert base64.b64encode(b"wrong-one-1").decode() not in f"{refused.value} {refused.value.details}"


def test_a_locked_account_is_not_tried_again(opened: Opened, dify: Dify) -> None:
    """What Dify says of too many tries is told, and nothing more is asked."""
    dify.wrong["admin@example.com"] = 5
    with pytest.raises(FreeholdError, match=r"\[dify_console_locked\]"), opened(dify):
        pass
    assert dify.times(LOGIN) == 1


def test_an_account_that_may_not_come_in(opened: Opened) -> None:
    """One that was banned."""
    dify = Dify(users=[User(status="banned")])
    with pytest.raises(FreeholdError, match=r"banned.*\[dify_console_sign_in\]"), opened(dify):
        pass


def test_an_account_without_a_workspace(opened: Opened, dify: Dify) -> None:
    """Dify answers a success that says why it is none."""
    dify.changed["POST /console/api/login"] = lambda _: {"result": "fail", "data": "workspace not found"}
    with pytest.raises(FreeholdError, match=r"workspace not found \[dify_console_sign_in\]"), opened(dify):
        pass


@pytest.mark.parametrize("tokens", ["cookies", "body"])
def test_a_session_that_ran_out_is_renewed_once(opened: Opened, dify: Dify, tokens: str) -> None:
    """After 60 minutes the next call renews it and is made again."""
    dify.tokens = "body" if tokens == "body" else "cookies"
    with opened(dify) as console:
        dify.forget_sessions()
        assert console.models.listed() == ()
        assert console.models.listed() == ()
    assert dify.times("POST /console/api/refresh-token") == 1
    assert dify.times(LOGIN) == 1


@pytest.mark.parametrize("tokens", ["cookies", "body"])
def test_a_session_that_cannot_be_renewed_is_told(opened: Opened, dify: Dify, tokens: str) -> None:
    """Both tokens are refused: the step is named."""
    dify.tokens = "body" if tokens == "body" else "cookies"
    with opened(dify) as console:
        dify.forget_sessions()
        dify.refresh_tokens.clear()
        with pytest.raises(FreeholdError, match=r"GET .*/models.*\[dify_console_session\]"):
            console.models.listed()


def test_cookies_of_https_have_other_names(dify: Dify, tmp_path: Path, said: list[str]) -> None:
    """They begin with __Host- and are found by their ends, over a certificate of the configuration's authority."""
    dify.https = True
    authority = Authority(tmp_path)
    with (
        serving(dify, tls(authority)),
        open_console(door(dify, authority.file), account(), said.append) as console,
    ):
        assert console.uses.sees_all()


def test_cookies_of_https_never_come_back_over_http(opened: Opened, dify: Dify) -> None:
    """The address without TLS is not the one that this Dify is set up for."""
    dify.https = True
    with pytest.raises(FreeholdError, match=r"\[dify_console_insecure\]"), opened(dify):
        pass


def test_a_login_that_gives_no_token_is_another_shape(opened: Opened, dify: Dify) -> None:
    """Neither cookies nor tokens: what came is told by its keys."""
    dify.changed["POST /console/api/login"] = lambda _: {"result": "success", "ticket": "t-123"}
    dify.tokens = "body"
    with pytest.raises(FreeholdError, match=r"ticket: text.*\[dify_console_shape\]") as misshapen, opened(dify):
        pass
    assert "t-123" not in str(misshapen.value)


def test_the_admin_key_needs_no_session(opened: Opened, dify: Dify) -> None:
    """It acts as the owner of the workspace that is named."""
    dify.admin_key = "admin-key-0001"
    with opened(dify, AdminKey("admin-key-0001", dify.workspace)) as console:
        assert console.uses.sees_all()
        assert console.models.listed() == ()
    assert dify.times(LOGIN) == 0


@pytest.mark.parametrize(
    ("key", "workspace", "code"),
    [
        ("another-key-01", "", "dify_console_workspace"),
        ("another-key-01", "8c2b", "dify_console_admin_key"),
        ("admin-key-0001", "8c2b", "dify_console_admin_key"),
    ],
)
def test_an_admin_key_that_does_not_open(opened: Opened, dify: Dify, key: str, workspace: str, code: str) -> None:
    """No workspace, another key, another workspace."""
    dify.admin_key = "admin-key-0001"
    admin = AdminKey(key, workspace)
    with pytest.raises(FreeholdError, match=rf"\[{code}\]") as refused, opened(dify, admin) as console:
        console.models.listed()
    assert key not in str(refused.value)
