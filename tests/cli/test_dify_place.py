"""Which Dify is meant, who signs in, and the key of our models."""

import base64
import gc
from pathlib import Path

import pytest

from freehold.cli.dify_place import models_key, place_of
from freehold.config import Config, Dify, Network, load
from freehold.deploy.dify.console import Account, AdminKey, Door
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import kubeconfig
from tests.dify_console.server import serving
from tests.dify_console.state import Dify as DifyServer
from tests.kubernetes_api.server import ApiServer

MODELS = "models: [{id: a, source: 'https://h/v1', abilities: [chat]}]\n"
SECRETS = {"console_password": "Secret123abc", "init_password": "Init123abc"}


def configured(folder: Path, text: str) -> Config:
    (folder / "freehold.yaml").write_text(MODELS + text, encoding="utf-8")
    return load(None, {}, folder)


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {"FREEHOLD_HOME": str(folder / "home"), **more}


def dify_of(config: Config) -> Dify:
    assert config.dify is not None
    return config.dify


def write_secrets(folder: Path) -> Path:
    """As a deployment leaves them."""
    file = folder / "home" / "releases" / "freehold" / "compose" / "dify" / "secrets.json"
    file.parent.mkdir(parents=True)
    file.touch(0o600)
    file.write_text(str(SECRETS).replace("'", '"'), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("access: {auth: none}\ndify: {url: http://d, models_key: '${env:KEY}'}\n", "", ""),
        ("dify: {url: http://d, models_key: '${env:KEY}'}\n", "${env:KEY}", "fh_said"),
        ("access: {key: '${env:OWN}'}\n", "${env:OWN}", "fh_own"),
        ("", "$(cat {home}/initial-key)", "fh_initial"),
        ("deploy: {}\n", "$(cat {home}/releases/freehold/compose/secrets/access)", "fh_made"),
    ],
)
def test_the_key_is_said_or_made(tmp_path: Path, text: str, place: str, value: str) -> None:
    """By the server, or by the deployment; it is read only where it is used, and shown nowhere."""
    home = tmp_path / "home"
    made = home / "releases" / "freehold" / "compose" / "secrets" / "access"
    made.parent.mkdir(parents=True)
    made.write_text("fh_made\n", encoding="ascii")
    (home / "initial-key").write_text("fh_initial\n", encoding="ascii")
    variables = environ(tmp_path, KEY="fh_said", OWN="fh_own")
    config = configured(tmp_path, text)
    unread, read = (models_key(config, variables, reads=reads) for reads in (False, True))
    assert (unread.place, unread.value) == (place.replace("{home}", str(home)), "")
    assert read.value == value
    assert "fh_" not in repr(read)


@pytest.mark.parametrize("text", ["", "deploy: {}\n", "deploy: {target: systemd, data: ./data}\n"])
def test_a_key_that_is_not_here_is_said(tmp_path: Path, text: str) -> None:
    """With the place where it was looked for."""
    with pytest.raises(FreeholdError) as raised:
        models_key(configured(tmp_path, text), environ(tmp_path), reads=True)
    assert raised.value.code == "dify_key_wanted"
    assert str(tmp_path) in raised.value.cause


def test_an_existing_dify_is_entered_by_an_account_or_a_key(tmp_path: Path) -> None:
    """As the configuration says; neither shows its secret."""
    variables = environ(tmp_path, P="secret123", K="admin-key")
    config = configured(tmp_path, "dify: {url: 'http://d/', email: a@b.c, password: '${env:P}', workspace: w}\n")
    place = place_of(config, dify_of(config), variables)
    assert (place.address, place.credentials) == ("http://d", Account("a@b.c", "secret123", "w"))
    assert "secret123" not in repr(place)
    config = configured(tmp_path, "dify: {url: http://d, admin_key: '${env:K}', workspace: w}\n")
    assert place_of(config, dify_of(config), variables).credentials == AdminKey("admin-key", "w")


def test_a_deployed_dify_gets_its_account_once(tmp_path: Path) -> None:
    """With the word and the password that the deployment made; the second time it is there."""
    write_secrets(tmp_path)
    said: list[str] = []
    with serving(DifyServer(init_password=SECRETS["init_password"])) as server:
        address = f"address: '{server.url}'"
        config = configured(tmp_path, f"dify: {{version: 1.15.0, {address}, console: {{email: it@corp.test}}}}\n")
        place = place_of(config, dify_of(config), environ(tmp_path))
        for _ in range(2):
            place.prepare(Door(place.address, Network(), {}), said.append)
    assert [(user.email, user.password) for user in server.users] == [("it@corp.test", SECRETS["console_password"])]
    assert not any(secret in line for secret in SECRETS.values() for line in [*said, repr(place)])


def test_secrets_that_are_not_here_are_said(tmp_path: Path) -> None:
    """Another user, another home, or nothing was deployed."""
    config = configured(tmp_path, "dify: {version: 1.15.0}\n")
    with pytest.raises(FreeholdError) as raised:
        place_of(config, dify_of(config), environ(tmp_path))
    assert raised.value.code == "dify_secrets_missing"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the end of a command ends its connections
def test_on_a_cluster_secrets_are_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the namespace of the deployment."""
    text = (
        "deploy: {target: kubernetes, ingress: {host: ai.corp}}\n"
        "dify: {version: 1.15.0, address: 'http://dify.corp', ingress_host: dify.corp}\n"
    )
    config = configured(tmp_path, text)
    with ApiServer().running() as server:
        variables = environ(tmp_path, KUBECONFIG=str(kubeconfig(tmp_path, server.url)))
        with pytest.raises(FreeholdError) as raised:
            place_of(config, dify_of(config), variables)
        assert raised.value.code == "dify_secrets_missing"
        with pytest.raises(FreeholdError) as raised:
            models_key(config, variables, reads=True)
        assert raised.value.code == "dify_key_wanted"
        for name, data in (("dify-secrets", SECRETS), ("freehold-access", {"value": "fh_made\n"})):
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
            server.add(server.kind("Secret"), "freehold", name, data=encoded)
        place = place_of(config, dify_of(config), variables)
        assert place.credentials == Account("admin@example.com", SECRETS["console_password"])
        assert models_key(config, variables, reads=True).value == "fh_made"
        gc.collect()
    assert "kubectl -n freehold get secret freehold-access" in models_key(config, variables, reads=False).place
