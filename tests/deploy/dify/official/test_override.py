"""The override file: as docker-compose merges it, as nginx runs it, as Python's clients trust by it."""

import os
import ssl
import subprocess
import sys
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from freehold.deploy.dify.official.override import CA_PLACE, CA_VARIABLES, TRUSTING, fixed, patch, resolving
from freehold.deploy.dify.official.override import Asked as Wanted
from freehold.deploy.dify.official.patching import lay
from freehold.deploy.dify.official.reading import read
from freehold.deploy.topology.trust import joined_file
from freehold.errors import FreeholdError
from tests.deploy.bundle.plugin.packages import fetched_wheels
from tests.deploy.topology.test_nginx import PATIENCE_S, free_ports, get, nginx, serving
from tests.gateway.rendering.name_server import NameServer
from tests.pki import Authority

from .installations import NEWER, NGINX, OLDER, SECRETS, install

HEAD = "pid /tmp/pid;\nevents {}\n"
TEMPORARY = "".join(f"{kind}_temp_path /tmp/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
CLIENTS = ("certifi", "idna", "urllib3", "requests", "httpx", "httpcore", "h11", "anyio", "typing_extensions")
CALL = """\
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import httpx, requests
for name, ask in (("requests", requests.get), ("httpx", httpx.get)):
    try:
        print(name, ask(sys.argv[2], timeout=10).status_code)
    except Exception as error:
        print(name, "CERTIFICATE_VERIFY_FAILED" in repr(error) or "certificate verify failed" in str(error))
"""


@pytest.mark.parametrize("compose", [NEWER, OLDER], ids=["1.15", "1.14"])
def test_docker_compose_merges_it_by_itself(compose: str, tmp_path: Path) -> None:
    """Every service of the five trusts the bundle, nginx has the template, and nothing else has changed."""
    folder = install(tmp_path / "docker", compose, **SECRETS)
    before = _merged(folder)
    official = read(folder)
    lay(official, patch(official, Wanted(bundle="PEM\n", is_cured=True)))
    after = _merged(folder)
    for name in TRUSTING:
        service = after[name]
        assert all(service["environment"].pop(variable) == CA_PLACE for variable in CA_VARIABLES)
        mount = service["volumes"].pop()
        assert str(mount["source"] if isinstance(mount, dict) else mount).startswith(str(folder / "freehold"))
        service["volumes"] = service["volumes"] or before[name].get("volumes", [])
        before[name].setdefault("volumes", [])
    template = "/etc/nginx/conf.d/default.conf.template"
    assert any(template in str(mount) for mount in after["nginx"]["volumes"])
    after["nginx"]["volumes"] = before["nginx"]["volumes"]
    assert after == before


def _merged(folder: Path) -> dict[str, dict[str, object]]:
    done = subprocess.run(["docker-compose", "config"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    services: dict[str, dict[str, object]] = yaml.safe_load(done.stdout)["services"]
    return services


def test_python_clients_trust_the_own_ca_by_that_environment_alone(tmp_path: Path) -> None:
    """requests and httpx as plugins install them: refused without the variables, answered with exactly them."""
    authority = Authority(tmp_path)
    pair = authority.issue()
    (tmp_path / "bundle.pem").write_bytes(joined_file(authority.file))
    site = tmp_path / "site"
    for name in CLIENTS:
        (wheel,) = fetched_wheels().glob(f"{name}-[0-9]*-none-any.whl")
        zipfile.ZipFile(wheel).extractall(site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving("tool", "127.0.0.1") as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who does not trust it hangs up
        url = f"https://localhost:{server.server_port}/"
        plain = {"PATH": os.environ["PATH"]}
        assert _called(site, url, plain) == ["requests True", "httpx True"]
        trusting = plain | dict.fromkeys(CA_VARIABLES, str(tmp_path / "bundle.pem"))
        assert _called(site, url, trusting) == ["requests 200", "httpx 200"]


def _called(site: Path, url: str, environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-S", "-c", CALL, str(site), url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_nginx_follows_a_service_to_its_new_address(tmp_path: Path) -> None:
    """The installation's own template, rewritten: a service that moved answers again, and paths are kept."""
    with ExitStack() as stack:
        old = stack.enter_context(serving("old", "127.0.0.2"))
        stack.enter_context(serving("new", "127.0.0.3", old.server_port))
        names = stack.enter_context(NameServer({"api": "127.0.0.2"}).running())
        port, _ = free_ports()
        text = resolving(NGINX.replace("api:5001", f"api:{old.server_port}"))
        assert not fixed(text)
        for name, value in {
            "resolver 127.0.0.11": f"resolver {names.address}",
            "${NGINX_PORT}": f"127.0.0.1:{port}",
            "${NGINX_SERVER_NAME}": "_",
            "${NGINX_SOCKET_IO_UPSTREAM}": "api_websocket:5001",
            "${HTTPS_CONFIG}": "",
        }.items():
            text = text.replace(name, value)
        (tmp_path / "proxy.conf").write_text("proxy_set_header Host $host;\n")
        stack.enter_context(nginx(tmp_path, f"{HEAD}http {{\naccess_log off;\n{TEMPORARY}{text}}}\n", port))
        path, limit = "/console/api/setup?a=1", time.monotonic() + PATIENCE_S
        seen = get(port, path)[1]["by"]
        assert seen == "old"
        names.addresses["api"] = "127.0.0.3"
        while seen != "new":
            status, said = get(port, path)
            assert (status, said["path"]) == (200, path)
            assert time.monotonic() < limit
            seen = said["by"]


def test_rewriting_twice_changes_nothing_more() -> None:
    """Only fixed names are put into variables, each server asks DNS, and what goes by one already stays."""
    once = resolving(NGINX)
    assert resolving(once) == once
    assert fixed(NGINX) == ("api:5001", "plugin_daemon:5002", "web:3000")
    assert once.count("$socket_io_upstream") == NGINX.count("$socket_io_upstream")
    assert once.count("resolver 127.0.0.11") == NGINX.count("resolver 127.0.0.11") + 1


def test_the_daemon_gets_a_key_beside_the_ca(tmp_path: Path) -> None:
    """Both mounts and all variables stand in one service, and verification is on."""
    made = patch(read(install(tmp_path)), Wanted(bundle="PEM\n", plugin_key="KEY\n"))
    daemon = yaml.safe_load(made.override)["services"]["plugin_daemon"]
    assert daemon["volumes"] == [
        "./freehold/ca-certificates.crt:/etc/freehold/ca-certificates.crt:ro",
        "./freehold/plugin-key.pem:/etc/freehold/plugin-key.pem:ro",
    ]
    assert daemon["environment"]["FORCE_VERIFYING_SIGNATURE"] == "true"
    assert daemon["environment"]["SSL_CERT_FILE"] == CA_PLACE
    assert list(yaml.safe_load(patch(read(tmp_path), Wanted(plugin_key="KEY\n")).override)["services"]) == [
        "plugin_daemon"
    ]


def test_only_what_is_asked_for_and_there_is_in_it(tmp_path: Path) -> None:
    """An older installation has no worker_beat; without nginx there is nothing to cure."""
    official = read(install(tmp_path, NEWER.replace("worker_beat", "worker_other")))
    services = yaml.safe_load(patch(official, Wanted(bundle="PEM\n", is_cured=False)).override)["services"]
    assert list(services) == ["api", "worker", "plugin_daemon", "sandbox"]
    bare = read(install(tmp_path / "bare", NEWER.replace("  nginx:", "  other:")))
    with pytest.raises(FreeholdError) as caught:
        patch(bare, Wanted(is_cured=True))
    assert caught.value.code == "official_nginx_unknown"
