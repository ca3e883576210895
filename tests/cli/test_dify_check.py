"""`freehold dify check`: what is typed, where keys and addresses come from, and what the exit code says."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.dify_check import address_of, known_key, seen_from_dify
from freehold.config import load
from tests.deploy.dify.checking.planted import KEY, MODELS, planted
from tests.pki import Authority

Freehold = Callable[..., Any]


def statuses(ran: Any) -> dict[str, str]:
    return {row["id"]: row["status"] for row in ran.data["checks"]}


def test_models_are_found_and_the_key_is_read_from_the_environment(
    freehold: Freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 0; three models found by what they answer; the key stands nowhere."""
    monkeypatch.setenv("MODELS_KEY", KEY)
    with planted(key=KEY) as server:
        ran = freehold("dify", "check", server.url, "--key", "${env:MODELS_KEY}", "--json")
    assert (ran.code, ran.data["ok"], ran.data["models"]) == (0, True, MODELS)
    assert statuses(ran)["key_wrong_refused"] == "ok"
    assert KEY not in ran.out + ran.err


def test_a_defect_ends_with_1_in_both_languages(freehold: Freehold, folder: Path) -> None:
    """Only the named model is asked; the key comes from a file."""
    (folder / "key").write_text(f"{KEY}\n")
    with planted("crlf", key=KEY) as server:
        words = ("dify", "check", f"{server.url}/", "--model", "talker", "--key-file", "key")
        ran, chinese = freehold(*words), freehold(*words, "--lang", "zh")
    assert (ran.code, chinese.code) == (1, 1)
    assert r"frames end in \r\n\r\n" in ran.out
    assert "解决办法: 请以" in chinese.out
    assert KEY not in ran.out + chinese.out


def test_a_configuration_says_where_and_how(folder: Path) -> None:
    """Without a URL: `dify.models_url` and `models_key`; a Dify that is deployed beside them calls the gateway."""
    (folder / "freehold.yaml").write_text(
        "models: [{id: vectors, source: a.onnx}]\n"
        "dify:\n"
        "  url: http://dify.example\n"
        "  models_url: http://gpu.corp.example/v1\n"
        "  models_key: ${env:MODELS_KEY}\n"
    )
    config = load(None, os.environ, folder)
    assert address_of(None, config) == "http://gpu.corp.example/v1"
    assert address_of("http://other/v1", config) == "http://other/v1"
    assert known_key(config, {"MODELS_KEY": "fh_told"}) == "fh_told"
    assert seen_from_dify(config) == ""
    (folder / "freehold.yaml").write_text("models: [{id: a, source: a.onnx}]\ndify: {version: 1.15.0}\n")
    assert seen_from_dify(load(None, os.environ, folder)).startswith("http://gateway:")


def test_what_serves_here_is_asked_at_its_own_address_with_its_own_key(folder: Path) -> None:
    """The key that `freehold serve` made, as `connect` takes it; where none was made, none is sent."""
    (folder / "freehold.yaml").write_text("models: [{id: a, source: a.onnx}]\nserver: {host: 172.17.0.1, port: 9000}\n")
    config, environ = load(None, os.environ, folder), {"FREEHOLD_HOME": str(folder)}
    assert address_of(None, config) == "http://172.17.0.1:9000/v1"
    assert known_key(config, environ) == ""
    (folder / "initial-key").write_text("fh_made\n")
    assert known_key(config, environ) == "fh_made"


def test_the_deployments_own_address_is_the_default(freehold: Freehold, folder: Path) -> None:
    """Where `dify` does not say: the address that this machine publishes the gateway on."""
    with planted() as server:
        port = server.url.split(":")[2].removesuffix("/v1")
        (folder / "freehold.yaml").write_text(f"models: [{{id: judge, source: a.onnx}}]\ndeploy: {{port: {port}}}\n")
        ran = freehold("dify", "check", "--json")
    assert (ran.data["url"], ran.data["models"]["rerank"]) == (server.url, "judge")


def test_a_private_authority_is_trusted_by_its_file(freehold: Freehold, tmp_path: Path) -> None:
    """Without --ca the run ends at the certificate; with it, it passes and says what Dify needs."""
    authority = Authority(tmp_path / "ca")
    pair = authority.issue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with planted(wrap=lambda listening: context.wrap_socket(listening, server_side=True)) as server:
        words = ("dify", "check", server.url, "--rerank", "judge", "--json")
        assert statuses(freehold(*words))["tls_trusted"] == "fail"
        ran = freehold(*words, "--ca", str(authority.file))
    assert (ran.code, statuses(ran)["tls_trusted"]) == (0, "ok")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("http://h/v1", "--key", "sk-literal-key"), "dify_check_key_literal"),
        (("ftp://h/v1",), "dify_check_url_invalid"),
        (("h:8080/v1",), "dify_check_url_invalid"),
        (("http://h:99999/v1",), "dify_check_url_invalid"),
        (("http://someone:hidden@h/v1",), "dify_check_url_invalid"),
        ((), "dify_check_url_wanted"),
        (("http://h/v1", "--key", "${env:NOT_SET_HERE}"), "secret_missing"),
        (("http://h/v1", "--ca", "absent.pem"), "network_ca_unreadable"),
    ],
)
def test_what_is_typed_wrong_is_told_before_anything_is_asked(
    freehold: Freehold, folder: Path, words: tuple[str, ...], code: str
) -> None:
    """A key on the command line, an address that is none, a missing secret or file; secrets are not echoed."""
    ran = freehold("dify", "check", *words, "--json")
    assert ran.error["code"] == code
    assert ran.code == (2 if code.startswith("dify_check") else 1)
    assert "sk-literal-key" not in ran.out + ran.err
    assert "hidden" not in ran.out + ran.err


def test_a_key_has_one_source(freehold: Freehold, folder: Path) -> None:
    """Both options at once are a mistake of usage."""
    assert freehold("dify", "check", "http://h/v1", "--key", "${env:A}", "--key-file", "b").code == 2
