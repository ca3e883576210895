"""What is said of a hub that cannot be reached."""

from dataclasses import replace

import httpx2

from freehold.adapt.fetch.failures import host_of, status_failure, unreachable
from freehold.adapt.fetch.repository import Errand


def test_a_closed_network_is_told_what_to_carry_where(errand: Errand) -> None:
    """The files by name once they are known, the folder, and the command for a machine that is connected."""
    request = httpx2.Request("GET", "https://storage.example/x?signature=secret")
    error = httpx2.ConnectError("[Errno 101] Network is unreachable", request=request)
    usual = unreachable(errand, "hub.example", error)
    assert usual.code == "hub_unreachable"
    assert "storage.example" in usual.cause
    assert f"copy that folder to {errand.folder}" in usual.fix
    assert "freehold fetch hf://org/m --output m" in usual.fix
    assert "HF_ENDPOINT" in usual.fix
    assert "config.json" in usual.fix
    known = unreachable(replace(errand, needed=("a.json", "b.safetensors")), "hub.example", error)
    assert "a.json, b.safetensors" in known.fix
    assert "secret" not in str(known)


def test_a_certificate_nobody_knows(errand: Errand) -> None:
    """Has a fix of its own: the company's authority."""
    error = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed")
    failure = unreachable(errand, "hub.example", error)
    assert (failure.code, failure.details["host"]) == ("hub_untrusted", "hub.example")
    assert "SSL_CERT_FILE" in failure.fix


def test_a_status_that_says_nothing_of_the_repository(errand: Errand) -> None:
    """Its number, and which variable names another endpoint."""
    failure = status_failure(errand, "hub.example", 502)
    assert failure.code == "hub_failed"
    assert "502" in failure.cause
    assert "HF_ENDPOINT" in failure.fix


def test_hosts_are_shown_without_passwords() -> None:
    """Only the name and the port."""
    assert host_of("https://user:pw@hub.example:8443/x") == "hub.example:8443"


def test_a_proxy_that_asks_for_a_login(errand: Errand) -> None:
    """Is not taken for the hub."""
    assert status_failure(errand, "hub.example", 407).code == "network_proxy_login"
