"""Checks of the network."""

from typing import Any

import pytest

from freehold.deploy.doctor import checks_network as checks
from freehold.deploy.doctor.profile import PROFILES
from tests.deploy.doctor.known import bare, machine, only


def test_names_resolve_and_soon() -> None:
    """One that does not fails, one that takes seconds warns."""
    assert only(checks.dns, machine("ubuntu-22.04-a100")).status == "ok"
    lost = only(checks.dns, machine("centos-7"))
    assert (lost.status, lost.found.en) == ("fail", "registry.corp.local: [Errno -2] Name or service not known")
    slow = only(checks.dns, machine("pod-512mb"))
    assert (slow.status, slow.found.en) == ("warn", "over 2 s: minilm-3f9a12c4")


@pytest.mark.parametrize(
    ("fact", "status", "found"),
    [
        ({"port": 8080, "free": True}, "ok", "8080 free"),
        ({"port": 8080, "free": False, "by": "nginx (pid 7)"}, "fail", "8080 taken by nginx (pid 7)"),
        ({"port": 8080, "free": False, "by": ""}, "fail", "8080 taken by another user"),
        (
            {"port": 8080, "free": False, "by": "docker-proxy (pid 7)", "ours": True},
            "ok",
            "8080: a Freehold answers already",
        ),
        ({"port": 80, "free": False, "by": "", "refused": True}, "fail", "80 needs root"),
        ({"free": True}, "skip", "unknown: -"),
    ],
)
def test_a_port_is_free_or_ours(fact: dict[str, Any], status: str, found: str) -> None:
    """Who has it is told."""
    check = only(checks.ports, bare(ports=[fact]))
    assert (check.status, check.found.en) == (status, found)


@pytest.mark.parametrize(
    ("no_proxy", "lacks"),
    [
        ("", "localhost, 127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("localhost, 127.0.0.1", None),
        ("localhost,127.0.0.0/8", None),
        ("*", None),
    ],
)
def test_a_proxy_leaves_loopback_alone(no_proxy: str, lacks: str | None) -> None:
    """Whatever form the entry has that programs understand."""
    check = only(checks.proxies, bare(proxies={"http_proxy": "http://p:1", "no_proxy": no_proxy}))
    assert check.status == ("warn" if lacks else "ok")
    assert check.found.en == "http_proxy=http://p:1" + (f"; NO_PROXY lacks {lacks}" if lacks else "")


def test_a_proxy_leaves_services_alone() -> None:
    """Names without a dot are those of services; a cluster's end in .svc, for a pod as for a desk."""
    check = only(checks.proxies, machine("pod-512mb"))
    assert check.found.en.endswith("NO_PROXY lacks minilm-3f9a12c4, .svc, .cluster.local")
    desk = bare(proxies={"all_proxy": "socks5://p", "no_proxy": "localhost,127.0.0.1,*.svc,cluster.local"})
    assert only(checks.proxies, desk, PROFILES["cluster"]).status == "ok"


def test_mirrors_are_told_and_a_broken_file_warns() -> None:
    """Docker's are told once, wherever they are set."""
    found = only(checks.mirrors, machine("ubuntu-22.04-a100")).found.en
    assert found.endswith("docker: https://mirror.corp.local/")
    assert only(checks.mirrors, machine("openeuler-22.03")).found.en == "none: straight from the internet"
    assert only(checks.mirrors, machine("centos-7")).status == "warn"


@pytest.mark.parametrize(
    ("fact", "status", "found"),
    [
        ({"authorities": 1, "days": 300.0}, "ok", "1, the first ends in 300 days"),
        ({"authorities": 1, "days": 12.0}, "warn", "1, the first ends in 12 days"),
        ({"authorities": 2, "days": 300.0, "expired": ["Old"]}, "warn", "2, of which ended: Old"),
        ({"authorities": 1, "expired": ["Old"]}, "fail", "ended: Old"),
        ({"authorities": 0, "expired": []}, "fail", "it holds no authority's certificate"),
        ({"trouble": "Permission denied"}, "fail", "Permission denied"),
    ],
)
def test_a_private_authority_is_readable_an_authority_and_not_ended(
    fact: dict[str, Any], status: str, found: str
) -> None:
    """Named in the configuration."""
    check = only(checks.authorities, bare(ca=[{"by": "network.ca", "path": "/ca.pem", **fact}]))
    assert (check.status, check.found.en) == (status, f"/ca.pem (network.ca): {found}")


def test_a_systems_bundle_may_have_some_that_end() -> None:
    """It always does."""
    bundle = {"by": "SSL_CERT_FILE", "path": "/b", "authorities": 140, "days": 3.0, "expired": ["Old"]}
    assert only(checks.authorities, bare(ca=[bundle])).status == "ok"
    assert only(checks.authorities, bare(ca=[])).status == "skip"


@pytest.mark.parametrize(
    ("fact", "status", "found"),
    [
        ({"status": 200, "ms": 9}, "ok", "https://h/v2/: 200, 9 ms"),
        ({"status": 401, "ms": 9}, "ok", "https://h/v2/: 401, 9 ms"),
        ({"status": 404, "ms": 9}, "warn", "https://h/v2/: 404, not a registry's answer"),
        ({"trouble": "Connection refused"}, "fail", "https://h/v2/: Connection refused"),
    ],
)
def test_a_registry_answers_as_one(fact: dict[str, Any], status: str, found: str) -> None:
    """A page of somebody else's is no registry."""
    check = only(checks.registry, bare(registry={"url": "https://h/v2/", **fact}))
    assert (check.status, check.found.en) == (status, found)


def test_no_registry_is_nothing_to_judge() -> None:
    """Where none is named."""
    assert only(checks.registry, bare()).found.en == "none is named"
