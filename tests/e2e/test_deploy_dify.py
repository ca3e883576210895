"""A Dify deployed beside the gateway on a real engine, from its file to its end; stand-ins for the images of Dify."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from freehold.deploy.compose.dify import SECRETS_FILE, SERVICE_LABEL
from tests.deploy.topology.configured import installed
from tests.dify_images import provide
from tests.docker import Engine
from tests.e2e.test_deploy import Shop, failure, write_version

PORT, DIFY_PORT = 18091, 18092
SERVERS = {
    *("db_postgres", "redis", "pgvector", "ssrf_proxy", "sandbox", "plugin_daemon"),
    *("api", "api_websocket", "worker", "worker_beat", "web", "nginx"),
}


@dataclass
class Office(Shop):
    """A deployment of one model and a Dify: `Shop` knows how commands run there."""

    name: str = "office"
    port: int = PORT

    def configure(self, **dify: Any) -> None:
        """The file, with a Dify that is so."""
        said = {"version": "1.15.0", "port": DIFY_PORT, **dify}
        settings = {"name": self.name, "port": self.port, "image": self.image}
        models = [{"id": "soft", "source": str(self.folder / "one" / "model.onnx")}]
        (self.folder / "freehold.yaml").write_text(yaml.safe_dump({"models": models, "deploy": settings, "dify": said}))

    def containers(self) -> dict[str, str]:
        """By service of Dify that runs, the id of its container and when it was started."""
        listed = self.engine.docker(
            *("ps", "--filter", f"label=com.docker.compose.project={self.name}"),
            *("--format", f'{{{{.ID}}}} {{{{.Label "{SERVICE_LABEL}"}}}}'),
        )
        named = {line.split()[0]: line.split()[1] for line in listed.splitlines() if len(line.split()) == 2}
        began = self.engine.docker("inspect", "--format", "{{.State.StartedAt}}", *named) if named else ""
        return {name: f"{id_} {at}" for (id_, name), at in zip(named.items(), began.split(), strict=True)}

    def inside(self, service: str, script: str) -> str:
        """What a line of Python prints in that service; "" where it fails."""
        id_ = self.containers()[service].split()[0]
        return self.engine.docker("exec", "--env", "HTTP_PROXY=", id_, "python3", "-c", script, check=False)

    def environment_of(self, service: str, port: int) -> dict[str, str]:
        """The variables of a service."""
        script = f"import urllib.request as u;print(u.urlopen('http://127.0.0.1:{port}/').read().decode())"
        found: dict[str, str] = json.loads(self.inside(service, script))
        return found

    def address(self, service: str) -> str:
        """Of one that runs, in the first of its networks."""
        networks = self.engine.inspect(self.containers()[service].split()[0])["NetworkSettings"]
        assert isinstance(networks, dict)
        return str(next(iter(networks["Networks"].values()))["IPAddress"])


@pytest.fixture(scope="module")
def office(docker: Engine, freehold_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A Dify that was deployed."""
    folder = tmp_path_factory.mktemp("office")
    provide(docker, installed(), folder / "image")
    write_version(folder / "one", 1.0)
    office = Office(docker, freehold_image, folder)
    office.configure()
    with docker.port(PORT):
        done = office.run("deploy", "--json")
        try:
            assert done.code == 0, done.err
            yield office
        finally:
            office.run("down", "--yes")  # of a test that failed
            kept = docker.docker("volume", "ls", "--quiet", "--filter", "name=office-dify-").split()
            docker.docker("volume", "rm", *kept)  # a run after this one may find the same engine
    assert not office.containers()


def test_all_services_run_and_share_their_secrets(office: Office) -> None:
    """The migration had written where the application reads, with the same key; the secrets are their owner's alone."""
    status = office.status()
    states = {one["host"]: one["state"] for one in status["services"]}
    assert {host for host in states if not host.startswith(("gateway", "soft"))} == SERVERS
    assert set(states.values()) == {"ready"}
    assert office.run("logs", "nginx").code == 0
    file = office.compose / SECRETS_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets = json.loads(file.read_text())
    api, daemon = office.environment_of("api", 5001), office.environment_of("plugin_daemon", 5002)
    assert api["SECRET_KEY"] == secrets["secret_key"]
    assert api["PLUGIN_DAEMON_KEY"] == daemon["SERVER_KEY"] == secrets["plugin_daemon_key"]
    assert api["CELERY_BROKER_URL"] == f"redis://:{secrets['redis_password']}@redis:6379/1"
    released = (office.compose.parent / "1").rglob("*")
    texts = [path.read_text() for path in released if path.is_file()]
    assert not [name for name, value in secrets.items() if any(value in text for text in texts)]


def test_the_daemon_reaches_the_gateway_and_the_sandbox_only_its_proxy(office: Office) -> None:
    """Models are called by the daemon; code that users write gets nowhere by itself."""
    asks = "import urllib.request as u;print(u.urlopen('http://gateway:{port}/livez', timeout=5).status)"
    assert office.inside("plugin_daemon", asks.format(port=8080)) == "200"
    connects = "import socket;socket.create_connection(('{host}', {port}), 1);print('there')"
    assert office.inside("sandbox", connects.format(host="ssrf_proxy", port=3128)) == "there"
    assert office.inside("web", connects.format(host=office.address("redis"), port=6379)) == "there"
    assert office.inside("sandbox", connects.format(host=office.address("redis"), port=6379)) == ""


def test_only_what_differs_is_made_anew(office: Office) -> None:
    """A variable of the application; and the entrance reads its own file again, which is mounted. What somebody removed
    is told, and comes back."""
    before = office.containers()
    office.engine.docker("rm", "--force", before["worker_beat"].split()[0])
    assert office.status()["lacking"] == ["worker_beat"]
    office.configure(environment={"LOG_LEVEL": "DEBUG"}, tls=None, address="https://dify.example.com")
    plan = json.loads(office.run("deploy", "--plan", "--json").out)["dify"]
    assert plan["sort"] == "changed"
    assert "api.environment.LOG_LEVEL" in [change["field"] for change in plan["changes"]]
    done = office.run("deploy", "--json")
    assert done.code == 0, done.err
    after = office.containers()
    anew = {name for name, found in after.items() if found.split()[0] != before[name].split()[0]}
    assert {"api", "worker", "worker_beat"} <= anew
    assert not anew & {"db_postgres", "redis", "pgvector", "sandbox", "nginx"}
    assert after["nginx"] != before["nginx"]
    assert office.environment_of("api", 5001)["LOG_LEVEL"] == "DEBUG"


def test_a_migration_that_fails_says_why_and_leaves_the_services(office: Office) -> None:
    """The next deploy tries it again; another release of Dify is refused before anything changes."""
    before = office.containers()
    office.configure(environment={"FAILS": "migration"})
    error = failure(office.run("deploy", "--json"))
    assert error["code"] == "dify_job_failed"
    assert "relation tenants is locked" in error["cause"]
    assert office.containers()["api"] == before["api"]
    (office.compose / "dify" / "version").write_text("1.14.2")
    refusal = failure(office.run("deploy", "--json"))
    (office.compose / "dify" / "version").write_text("1.15.0")
    assert (refusal["code"], refusal["details"]["there"]) == ("dify_version_differs", "1.14.2")


def test_what_is_taken_down_keeps_its_data_and_its_secrets(office: Office) -> None:
    """Nothing but a person removes them."""
    done = office.run("down", "--yes", "--json")
    assert done.code == 0, done.err
    assert "office-dify-*" in json.loads(done.out)["stays"]
    assert not office.containers()
    assert {"office-dify-db", "office-dify-app-storage"} <= set(office.engine.docker("volume", "ls", "--quiet").split())
    assert (office.compose / SECRETS_FILE).is_file()
    assert not (office.compose / "config").exists()
