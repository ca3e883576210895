"""Addresses, certificates and keys: each defect found by its own check, with the fix that belongs to it."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.deploy.dify.checking import checks_address as address
from freehold.deploy.dify.checking.check import Failed, NotApplicable
from freehold.deploy.dify.checking.discovery import with_models
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.running import run
from tests.deploy.dify.checking.planted import KEY, planted, target
from tests.pki import Authority

Missed = Callable[..., set[str]]


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("any_key", {"key_wrong_refused"}),
        ("crashes_on_empty", {"key_empty_header"}),
        ("only_v1", {"address_other_form"}),
        ("no_list", {"models_listed"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the check that is about it."""
    assert missed("embedding", defect) == ids


def test_an_address_that_nobody_answers_ends_the_run() -> None:
    """One check fails, with the fix for a refused connection; nothing else is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    report = run(Plugin(target(url, "chat")), lambda _: None)
    assert [finding.check.id for finding in report.findings if finding.status != "skip"] == ["reachable"]
    assert "Nothing listens" in report.findings[0].fix.en
    assert next(iter(report.seen("en"))).startswith("Dify can add no model")


def test_an_unknown_authority_ends_the_run_and_a_known_one_is_told(tmp_path: Path) -> None:
    """The fix names REQUESTS_CA_BUNDLE; where the file is given, Dify is said to need it, too."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue()
    context.load_cert_chain(pair.certificate, pair.key)
    with planted(wrap=lambda listening: context.wrap_socket(listening, server_side=True)) as server:
        stranger = Plugin(target(server.url, "rerank"))
        report = run(stranger, lambda _: None)
        assert [finding.check.id for finding in report.findings if finding.failed] == ["tls_trusted"]
        assert "REQUESTS_CA_BUNDLE" in report.findings[1].fix.en
        knowing = replace(stranger.target, trust=authority.context(), ca=str(authority.file))
        assert "plugin_daemon" in str(address.tls_trusted(Plugin(knowing)))


def test_a_missing_v1_is_named() -> None:
    """The models are found at the other form of the address, and the fix writes it."""
    with planted("only_v1", key=KEY) as server:
        bare = replace(target(server.url, key=KEY), url=server.url.removesuffix("/v1"))
        report = run(with_models(Plugin(bare), (), lambda _: None), lambda _: None)
    failed = [finding for finding in report.findings if finding.failed]
    assert [finding.check.id for finding in failed] == ["address_as_given"]
    assert failed[0].fix.en == f"Write {server.url} in Dify."


def test_a_model_that_is_not_there_says_nothing_of_the_address() -> None:
    """A name that was typed wrong is no reason to doubt /v1."""
    with planted() as server, pytest.raises(NotApplicable):
        address.other_address(Plugin(target(server.url)).instead(chat="typo"))


def test_a_redirect_is_named_with_the_address_that_it_leads_to() -> None:
    """http:// where a proxy sends everybody to https://: a POST arrives there as a GET."""
    with planted("redirects") as server:
        report = run(Plugin(target(server.url, "chat")), lambda _: None)
    failed = [finding for finding in report.findings if finding.failed]
    assert [finding.check.id for finding in failed] == ["address_as_given"]
    assert failed[0].fix.en == f"Write {server.url.replace('http:', 'https:')} in Dify."


def test_a_wrong_key_ends_the_run() -> None:
    """Nothing behind it could tell more."""
    with planted(key=KEY) as server:
        report = run(Plugin(target(server.url, "chat", key="another")), lambda _: None)
    assert [finding.check.id for finding in report.findings if finding.failed] == ["key_accepted"]


def test_no_model_at_all_is_a_failure_with_the_options() -> None:
    """Where none was named and none was found."""
    with planted() as server, pytest.raises(Failed) as failure:
        address.as_given(Plugin(target(server.url)))
    assert failure.value.fix is not None
    assert "--model" in failure.value.fix.en


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "a.LOCALHOST", "[::1]", "0.0.0.0"])
def test_loopback_is_the_containers_own(host: str) -> None:
    """Names and addresses of this machine mean another one inside a container."""
    with pytest.raises(Failed, match="container itself"):
        address.from_containers(Plugin(target(f"http://{host}:8080/v1")))
    assert address.from_containers(Plugin(target("http://llm.corp.example/v1"))) == "llm.corp.example"


def test_without_a_key_a_wrong_one_proves_nothing() -> None:
    """A server that is asked without keys may be open by intent."""
    with pytest.raises(NotApplicable):
        address.wrong_key(Plugin(target("http://h/v1", "chat")))
