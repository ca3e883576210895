"""Who we are to a registry: the environment, Docker's file, Podman's file, helper programs."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.store.registry.credentials import Credentials, find_credentials

Write = Callable[..., dict[str, str]]


@pytest.fixture
def docker(tmp_path: Path) -> Write:
    """`docker(**settings)` writes Docker's configuration and gives the environment in which it is found."""

    def write(**settings: object) -> dict[str, str]:
        (tmp_path / "config.json").write_text(json.dumps(settings))
        return {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    return write


def entry(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def known(found: Credentials | None) -> tuple[str, str, str] | None:
    return None if found is None else (found.username, found.password, found.identity_token)


def test_without_a_login_we_are_nobody(tmp_path: Path) -> None:
    """No file and no variable: the registry is asked without a name."""
    assert find_credentials("r.example", {"DOCKER_CONFIG": str(tmp_path)}) is None


def test_the_environment_goes_first(docker: Write) -> None:
    """The variables of Freehold override every file."""
    environ = docker(auths={"r.example": entry("anna", "a")})
    environ |= {"FREEHOLD_REGISTRY_USERNAME": "bert", "FREEHOLD_REGISTRY_PASSWORD": "b"}
    assert known(find_credentials("r.example", environ)) == ("bert", "b", "")


@pytest.mark.parametrize("key", ["r.example:5000", "https://r.example:5000", "http://r.example:5000/"])
def test_the_file_of_docker_login(docker: Write, key: str) -> None:
    """A registry is found by its host and port, with or without a scheme; a password may hold colons."""
    environ = docker(auths={key: entry("anna", "a:b:c")})
    assert known(find_credentials("r.example:5000", environ)) == ("anna", "a:b:c", "")
    assert find_credentials("r.example", environ) is None


def test_docker_hub_has_a_key_of_its_own(docker: Write) -> None:
    """Its login is kept under an address that it has no longer."""
    environ = docker(auths={"https://index.docker.io/v1/": entry("anna", "a")})
    assert known(find_credentials("docker.io", environ)) == ("anna", "a", "")


def test_identity_tokens(docker: Write) -> None:
    """A login of a person at an identity provider is a token without a password."""
    environ = docker(auths={"r.example": entry("anna", "") | {"identitytoken": "t"}})
    assert known(find_credentials("r.example", environ)) == ("anna", "", "t")


def test_podmans_file_is_read_after_dockers(tmp_path: Path) -> None:
    """REGISTRY_AUTH_FILE names one more place."""
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {"r.example": entry("anna", "a")}}))
    environ = {"DOCKER_CONFIG": str(tmp_path / "none"), "REGISTRY_AUTH_FILE": str(file)}
    assert known(find_credentials("r.example", environ)) == ("anna", "a", "")


def test_a_helper_is_asked(docker: Write, tmp_path: Path) -> None:
    """The program that the file names reads the host from standard input and answers in JSON."""
    helper(tmp_path, "safe", 'read host; echo "{\\"Username\\": \\"anna@$host\\", \\"Secret\\": \\"a\\"}"')
    environ = docker(credHelpers={"r.example": "safe"}, auths={"r.example": {}})
    assert known(find_credentials("r.example", environ)) == ("anna@r.example", "a", "")
    everything = docker(credsStore="safe")
    assert known(find_credentials("other.example", everything)) == ("anna@other.example", "a", "")


def test_a_helper_may_give_an_identity_token(docker: Write, tmp_path: Path) -> None:
    """The user name `<token>` says so."""
    helper(tmp_path, "safe", 'echo \'{"Username": "<token>", "Secret": "t"}\'')
    assert known(find_credentials("r.example", docker(credsStore="safe"))) == ("", "", "t")


def test_a_helper_that_knows_nothing_leaves_us_nobody(docker: Write, tmp_path: Path) -> None:
    """Its words for that are part of the protocol."""
    helper(tmp_path, "safe", "echo credentials not found in native keychain; exit 1")
    assert find_credentials("r.example", docker(credsStore="safe")) is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo the keychain is locked; exit 1", "locked"), ("echo hello", "not understood"), (None, "not on PATH")],
)
def test_a_helper_that_fails_is_named(docker: Write, tmp_path: Path, script: str | None, reason: str) -> None:
    """A login that should be there and cannot be had is an error, not a request without a name."""
    if script is not None:
        helper(tmp_path, "safe", script)
    with pytest.raises(FreeholdError) as raised:
        find_credentials("r.example", docker(credsStore="safe"))
    assert raised.value.code == "registry_login_helper"
    assert reason in raised.value.cause


def test_a_helper_outside_path_is_not_run(docker: Write) -> None:
    """A name with a slash would be a program of anybody's choice."""
    with pytest.raises(FreeholdError) as raised:
        find_credentials("r.example", docker(credsStore="../evil"))
    assert raised.value.code == "registry_login_helper"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"auths": {"r.example": {"auth": "###"}}}', '{"auths": 3}', '{"x": ' + "[" * 100_000],
    ids=["cut", "list", "base64", "number", "brackets"],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    """It is said which file, and nothing of what is in it."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FreeholdError) as raised:
        find_credentials("r.example", {"DOCKER_CONFIG": str(tmp_path)})
    assert raised.value.code == "registry_login_unreadable"
    assert "###" not in str(raised.value)


def test_a_password_is_never_shown() -> None:
    """The text of credentials, which might reach a log, has no secret."""
    assert "sesame" not in repr(Credentials("anna", "sesame", "sesame"))
