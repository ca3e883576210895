"""How a cluster is found: kubeconfigs, contexts, and what is wrong with them."""

import json
import ssl
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.resources.core_v1 import ConfigMap

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.connection import connect
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE, kubeconfig
from tests.kubernetes_api.server import ApiServer
from tests.pki import Authority


def changed(file: Path, **changes: Any) -> Path:
    """The file with other values at its top."""
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))
    return file


def failure(environ: dict[str, str], file: Path | None = None, context: str | None = None) -> FreeholdError:
    """Why there is no connection."""
    with pytest.raises(FreeholdError) as caught:
        connect(NAMESPACE, environ, file, context)
    return caught.value


def test_the_current_context_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    """Its name and address are told."""
    file = kubeconfig(tmp_path, "http://127.0.0.1:1")
    other = {"name": "other", "context": {"cluster": "c"}}
    changed(file, contexts=[*yaml.safe_load(file.read_text())["contexts"], other])
    with closing(connect(NAMESPACE, {}, file)) as connection:
        assert connection.place == "test (http://127.0.0.1:1)"
    with closing(connect(NAMESPACE, {}, file, "other")) as connection:
        assert connection.place == "other (http://127.0.0.1:1)"


def test_several_files_are_searched_in_their_order(tmp_path: Path) -> None:
    """As kubectl reads KUBECONFIG; files that are not there are passed over."""
    (tmp_path / "b").mkdir()
    first = changed(kubeconfig(tmp_path, "http://127.0.0.1:1"), **{"current-context": None})
    second = kubeconfig(tmp_path / "b", "http://127.0.0.1:2")
    named = f"{tmp_path / 'absent'}:{first}:{second}"
    with closing(connect(NAMESPACE, {"KUBECONFIG": named})) as connection:
        assert connection.place == "test (http://127.0.0.1:2)"
    with closing(connect(NAMESPACE, {"KUBECONFIG": named}, context="test")) as connection:
        assert connection.place == "test (http://127.0.0.1:1)"


def test_a_context_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """And with the files that were searched."""
    file = kubeconfig(tmp_path, "http://127.0.0.1:1")
    error = failure({}, file, "prod")
    assert error.code == "cluster_config_missing"
    assert "prod" in error.cause
    assert str(file) in error.cause
    assert "Contexts there: test" in error.cause
    assert failure({"KUBECONFIG": str(tmp_path / "absent")}).code == "cluster_config_missing"


@pytest.mark.parametrize("text", ["a: [", "a: 1", "- 1", "clusters: [{name: c, cluster: {server: 7}}]", ""])
def test_a_file_that_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    """With what is wrong with it."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    error = failure({"KUBECONFIG": str(file)})
    assert error.code == "cluster_config_invalid"
    assert str(file) in error.cause


def test_a_context_of_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The file speaks of something that it does not have."""
    file = changed(kubeconfig(tmp_path, "http://127.0.0.1:1"), clusters=[])
    error = failure({}, file)
    assert error.code == "cluster_config_invalid"
    assert "'c'" in error.cause


def test_a_certificate_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    """The right one is; the error names context and address."""
    authority, other = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    pair = authority.issue()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    with ApiServer().running(tls) as server:
        with closing(connect(NAMESPACE, {}, kubeconfig(tmp_path, server.url, ca=authority.file))) as connection:
            assert Api(connection, NAMESPACE).find(ConfigMap, "x") is None
        with closing(connect(NAMESPACE, {}, kubeconfig(tmp_path, server.url, ca=other.file))) as connection:
            api = Api(connection, NAMESPACE, sleep=lambda _: None)
            with pytest.raises(FreeholdError) as caught:
                api.find(ConfigMap, "x")
    assert caught.value.code == "cluster_distrusted"
    assert server.url in caught.value.cause


def test_a_plugin_gives_the_credentials(tmp_path: Path) -> None:
    """Of the newest version of their interface too; one that fails is told."""
    told = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(json.dumps(told))})"],
    }
    with ApiServer(token="t").running() as server:
        file = changed(kubeconfig(tmp_path, server.url), users=[{"name": "u", "user": {"exec": plugin}}])
        with closing(connect(NAMESPACE, {}, file)) as connection:
            assert Api(connection, NAMESPACE).find(ConfigMap, "x") is None
        broken = plugin | {"args": ["-c", "import sys; sys.exit('log in first')"]}
        changed(file, users=[{"name": "u", "user": {"exec": broken}}])
        with closing(connect(NAMESPACE, {}, file)) as connection, pytest.raises(FreeholdError) as caught:
            Api(connection, NAMESPACE).find(ConfigMap, "x")
    assert caught.value.code == "cluster_config_invalid"
    assert "log in first" in caught.value.cause


def test_a_pod_reaches_its_own_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the account that it is given, where no kubeconfig says otherwise; a context can only be one of a file."""
    authority = Authority(tmp_path)
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("t")
    (account / "namespace").write_text("x")
    (account / "ca.crt").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    environ = {"KUBECONFIG": str(tmp_path / "absent")}
    with closing(connect(NAMESPACE, environ, account=account)) as connection:
        assert connection.place == "default (https://10.0.0.1:443)"
    with pytest.raises(FreeholdError, match="cluster_config_missing"):
        connect(NAMESPACE, environ, context="prod", account=account)


@pytest.mark.parametrize(
    "user", [{"auth-provider": {"name": "gcp"}}, {"client-certificate": "absent", "client-key": "x"}]
)
def test_credentials_that_cannot_be_used_are_told(tmp_path: Path, user: dict[str, Any]) -> None:
    """Before anything is asked."""
    file = changed(kubeconfig(tmp_path, "https://127.0.0.1:1"), users=[{"name": "u", "user": user}])
    assert failure({}, file).code == "cluster_config_invalid"


@pytest.mark.parametrize("printed", ["garbage", "{}", "[]", '{"status": null}', "\\xff"])
def test_a_plugin_that_prints_no_credentials_is_told(tmp_path: Path, printed: str) -> None:
    """Whatever it is that it prints; which may be half of a token, and is not shown."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "printf", "args": [printed]}
    file = changed(kubeconfig(tmp_path, "http://127.0.0.1:9"), users=[{"name": "u", "user": {"exec": plugin}}])
    with closing(connect(NAMESPACE, {}, file)) as connection, pytest.raises(FreeholdError) as caught:
        Api(connection, NAMESPACE).all(ConfigMap)
    assert caught.value.code == "cluster_config_invalid"
    assert "garbage" not in caught.value.cause


def test_a_plugin_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its path."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere/aws"}
    file = changed(kubeconfig(tmp_path, "http://127.0.0.1:9"), users=[{"name": "u", "user": {"exec": plugin}}])
    with closing(connect(NAMESPACE, {}, file)) as connection, pytest.raises(FreeholdError) as caught:
        Api(connection, NAMESPACE).all(ConfigMap)
    assert caught.value.code == "cluster_config_invalid"
    assert "/nowhere/aws" in caught.value.cause
