"""How a Dify is reached: straight, with the configuration's authority, never redirected silently."""

from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.dify.console import Door, open_console
from freehold.deploy.dify.console.wire import Request, wired
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import POLL_S, Opened, account, door, tls
from tests.dify_console.server import serving
from tests.dify_console.state import Dify
from tests.pki import Authority

PROXY = {"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "example.com"}


def test_no_proxy_stands_between(dify: Dify, said: list[str]) -> None:
    """Neither the environment's nor the configuration's: the address was declared."""
    with serving(dify):
        behind = Door(dify.url.replace("127.0.0.1", "localhost"), Network(proxy="http://127.0.0.1:9"), PROXY, 5, POLL_S)
        with open_console(behind, account(), said.append) as console:
            assert console.models.listed() == ()


@pytest.mark.parametrize("tail", ["", "/", "/console/api", "/console/api/"])
def test_the_address_may_name_the_api(dify: Dify, said: list[str], tail: str) -> None:
    """As people copy it from elsewhere."""
    with serving(dify):
        named = Door(dify.url + tail, Network(), {}, 5, POLL_S)
        with open_console(named, account(), said.append) as console:
            assert console.models.listed() == ()


@pytest.mark.parametrize("address", ["dify.corp.local", "ftp://dify.corp.local", "https://", ""])
def test_what_is_no_address_is_told(address: str) -> None:
    """Before anything is asked."""
    with pytest.raises(FreeholdError, match=r"\[dify_console_unreachable\]"), wired(Door(address, Network(), {})):
        pass


def test_a_certificate_of_nobody_is_told(dify: Dify, tmp_path: Path, said: list[str]) -> None:
    """With the line that is lacking; it is not waited for."""
    with (
        serving(dify, tls(Authority(tmp_path))),
        pytest.raises(FreeholdError, match=r"\[dify_console_untrusted\]") as untrusted,
        open_console(door(dify), account(), said.append),
    ):
        pass
    assert "network: {ca: PATH}" in untrusted.value.fix
    assert dify.asked == []


def test_a_redirect_is_told_and_not_followed(opened: Opened, dify: Dify) -> None:
    """From http to https, say: the address to write is in the fix."""
    dify.moved = "https://dify.corp.local"
    with pytest.raises(FreeholdError, match=r"\[dify_console_moved\]") as moved, opened(dify):
        pass
    assert "dify: {url: https://dify.corp.local}" in moved.value.fix


def test_secrets_of_a_request_are_not_shown() -> None:
    """Neither its body nor what is to be hidden."""
    assert "hush" not in repr(Request("POST", "/login", {"password": "hush"}, secrets=("hush",)))
