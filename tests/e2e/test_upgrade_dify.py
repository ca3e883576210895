"""A Dify on a real engine from one release to the next and back, with real databases; its other images are stand-ins.

The next release is invented: data of this test's own, which the commands here read in place of ours.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import as_file

import pytest

from freehold.deploy.compose.dify import SECRETS_FILE
from freehold.deploy.compose.dify_target import VERSION_FILE
from freehold.deploy.topology import release
from tests.crowd import eventually
from tests.deploy.topology.configured import installed
from tests.dify_console.server import serving
from tests.dify_console.state import Dify
from tests.dify_images import provide
from tests.docker import Engine
from tests.e2e.test_deploy import PATIENCE_S, ended, failure, write_version
from tests.e2e.test_deploy_dify import Office

OLD, NEXT = "1.15.0", "1.15.9"
REGISTRY = "house.test"  # other tests have other images of the usual names
PORT, DIFY_PORT = 18093, 18094
BY_ITS_DATA = """
import pathlib, sys
from freehold.deploy.topology import release
release._FOLDER = pathlib.Path(sys.argv.pop(1))
from freehold.cli.entry import main
main()
"""
SETUP = "GET /console/api/setup"


@dataclass
class House(Office):
    """A deployment whose commands know the next release, too."""

    name: str = "house"
    port: int = PORT
    public: str = ""

    def begin(self, *words: object) -> "subprocess.Popen[str]":
        """`freehold WORDS` as a process of its own."""
        command = [sys.executable, "-c", BY_ITS_DATA, str(self.folder / "versions"), *map(str, words)]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.engine.network():
            return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **pipe)

    def sql(self, text: str) -> str:
        """Statements in Dify's database."""
        id_ = self.containers()["db_postgres"].split()[0]
        return self.engine.docker("exec", "-i", id_, "psql", "-qAt", "-U", "postgres", "-d", "dify", "-c", text)

    def version(self) -> tuple[str, str, str]:
        """As Dify's folder, its database and the release in force say."""
        images = self.status()["current"]["images"]
        (api,) = [name.rpartition(":")[2] for name in images if "/dify-api:" in name]
        return (self.compose / VERSION_FILE).read_text(), self.sql("SELECT * FROM alembic_version"), api

    def states(self) -> set[str]:
        """Of the containers that are there, migrations aside."""
        filters = ("--filter", f"label=com.docker.compose.project={self.name}", "--filter", "label=freehold.dify")
        listed = self.engine.docker("ps", "--all", "--format", "{{.State}}", *filters)
        return set(listed.split()) - {"exited"}

    def upgrade(self, backup: str, *words: str) -> "subprocess.Popen[str]":
        """To the next release."""
        return self.begin("dify", "upgrade", "--to", NEXT, "--backup", backup, "--key", "key", *words)


@pytest.fixture(scope="module")
def console(docker: Engine) -> Iterator[Dify]:
    """What users ask, which the stand-ins do not answer."""
    with docker.network(), serving(Dify()) as console:
        yield console


@pytest.fixture(scope="module")
def house(
    docker: Engine, freehold_image: str, console: Dify, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """A Dify that was deployed, somebody's data in it, and a backup's key."""
    folder = tmp_path_factory.mktemp("house")
    with as_file(release._FOLDER) as versions:
        shutil.copytree(versions, folder / "versions")
    text = (folder / f"versions/{OLD}.yaml").read_text().replace("image: ", f"image: {REGISTRY}/")
    (folder / f"versions/{OLD}.yaml").write_text(text)
    text = text.replace(OLD, NEXT).replace("LOG_LEVEL: INFO", "LOG_LEVEL: INFO\n      NEW_SWITCH: new")
    (folder / f"versions/{NEXT}.yaml").write_text(text)
    services = tuple(replace(one, image=f"{REGISTRY}/{one.image}") for one in installed().services)
    old = replace(installed(), services=services)
    provide(docker, old, folder / "image", databases=True)
    for image in {one.image for one in old.services if OLD in one.image}:
        docker.docker("tag", image, image.replace(OLD, NEXT))
    write_version(folder / "one", 1.0)
    house = House(docker, freehold_image, folder)
    house.configure(port=DIFY_PORT, address=console.url)
    with docker.port(PORT):
        done = house.run("deploy", "--json")
        try:
            assert done.code == 0, done.err
            house.sql("INSERT INTO accounts (email) VALUES ('a@example.com')")
            house.public = house.run("dify", "backup", "--new-key", "key").out.strip()
            yield house
        finally:
            if house.run("down", "--yes").code != 0:  # an upgrade that a test left half way
                docker.docker("rm", "--force", *docker.docker("ps", "-aq", "--filter", "name=house_").split())
            kept = docker.docker("volume", "ls", "--quiet", "--filter", "name=house-dify-").split()
            docker.docker("volume", "rm", *kept)


@pytest.mark.soak
def test_a_backup_that_was_killed_lets_its_services_go_again(house: House) -> None:
    """It stands still until the next deploy, which starts nothing anew."""
    before = house.containers()
    process = house.begin("dify", "backup", "killed.age", "--recipient", house.public, "--json")
    eventually(lambda: "paused" in house.states(), "services that are held", PATIENCE_S)
    process.kill()
    process.communicate()
    assert "paused" in house.states()
    assert house.run("deploy", "--json").code == 0
    assert (house.states(), house.containers()) == ({"running"}, before)


@pytest.mark.soak
@pytest.mark.parametrize("moment", ["stopping", "migrating", "starting"])
def test_an_upgrade_that_was_killed_is_taken_back(house: House, moment: str) -> None:
    """Until then nobody deploys, saves or restores."""
    process, backup = house.upgrade(f"{moment}.age"), ("--backup", f"{moment}.age", "--key", "key")
    assert process.stderr is not None
    said = next((line for line in process.stderr if line.startswith(moment)), "")
    process.kill()
    process.communicate()
    assert said
    for words in (("deploy",), ("dify", "backup", "no.age", "--recipient", house.public)):
        assert failure(house.run(*words, "--json"))["code"] == "dify_upgrade_interrupted"
    done = house.run("dify", "upgrade", "--take-back", *backup, "--json")
    assert done.code == 0, done.err
    assert house.version() == (OLD, "old", OLD)
    assert house.sql("SELECT email FROM accounts") == "a@example.com"
    assert house.run("deploy", "--json").code == 0
    assert set(house.status()["lacking"]) == set()


@pytest.mark.soak
def test_what_fails_is_taken_back_and_then_goes_through(house: House, console: Dify) -> None:
    """A new release whose users get no answer is gone again with all that it did to the data; a deploy meanwhile is
    refused. The second time it stays, deploy has nothing to do for it, and refuses the older one."""
    process = house.upgrade("one.age", "--json")
    eventually(lambda: (house.compose / VERSION_FILE).read_text() == NEXT, "the next release", PATIENCE_S)
    console.broken[SETUP] = (400, {"code": "broken", "message": "not today"})
    busy = failure(house.run("deploy", "--json"))
    error = failure(ended(process))
    assert (busy["code"], error["code"]) == ("deploy_busy", "dify_upgrade_taken_back")
    assert "not today" in error["cause"]
    assert house.version() == (OLD, "old", OLD)
    assert house.sql("SELECT email FROM accounts") == "a@example.com"
    console.broken.clear()
    secrets = (house.compose / SECRETS_FILE).read_bytes()
    done = ended(house.upgrade("two.age", "--json"))
    assert done.code == 0, done.err
    assert house.version() == (NEXT, "new", NEXT)
    assert (house.compose / SECRETS_FILE).read_bytes() == secrets
    refused = failure(house.run("deploy", "--json"))
    assert (refused["code"], refused["details"]["wanted"]) == ("dify_version_differs", OLD)
    before, releases = house.containers(), len(house.status()["releases"])
    house.configure(version=NEXT, port=DIFY_PORT, address=console.url)
    same = house.run("deploy", "--json")
    assert same.code == 0, same.err
    assert (house.containers(), len(house.status()["releases"])) == (before, releases)
    assert json.loads(house.run("dify", "restore", "two.age", "--key", "key", "--drill", "--json").out)["faults"] == []
