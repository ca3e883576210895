"""Services on a real Docker Engine: a stand-in for our server in the base image, which needs no build."""

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.target import ComposeTarget
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Mount, Unit
from freehold.deploy.target import Running
from tests.deploy.compose.deployments import CONFIGURATION, deployment, gateway, state, unit
from tests.docker import PATIENCE_S, Engine, base_of

STAND_IN = Path(__file__).with_name("stand_in.py")


@dataclass(frozen=True)
class Yard:
    """A folder, a project and a port on one engine; makes units that run there."""

    engine: Engine
    folder: Path
    name: str
    port: int
    image: str

    @property
    def data(self) -> str:
        """Where state lies: a name that needs quotes everywhere."""
        return f"{self.folder}/my data, $x"

    def unit(self, revision: str, text: str = "models: []\n", **more: Any) -> Unit:
        """A service that does what `text` says."""
        return unit("minilm", revision, files={CONFIGURATION: text}, **(self._common("minilm") | more))

    def gateway(self, revision: str = "aaaaaaaa", **more: Any) -> Unit:
        """The stand-in in front."""
        return gateway(revision, **(self._common("gateway") | {"published": f"127.0.0.1:{self.port}"} | more))

    def deployment(self, *units: Unit, **more: Any) -> Deployment:
        """`units` behind a gateway on this yard's port."""
        return deployment(
            *units, front=self.gateway(), **{"name": self.name, "port": self.port, "data": self.data, **more}
        )

    def target(self) -> ComposeTarget:
        """By a docker command that finds the engine."""
        return ComposeTarget(Docker.find(self.engine.environment), self.name, self.folder)

    def settled(self, target: ComposeTarget) -> dict[str, Running]:
        """What runs, by host, once nothing is on its way any more."""
        limit = time.monotonic() + PATIENCE_S
        running = target.running()
        while any(one.state == "starting" for one in running):
            assert time.monotonic() < limit, f"still starting: {running}"
            time.sleep(0.2)
            running = target.running()
        return {one.host: one for one in running}

    def ask(self, target: ComposeTarget, path: str) -> tuple[int, bytes]:
        """A request from where the engine publishes ports."""
        with self.engine.network():
            return target.ask("GET", path)

    def _common(self, name: str) -> dict[str, Any]:
        return {
            "image": self.image,
            "entrypoint": ("python3", "/opt/stand_in/stand_in.py"),
            "mounts": (state(name, self.data), Mount(str(STAND_IN.parent), "/opt/stand_in")),
        }


@pytest.fixture(scope="session")
def base_image(docker: Engine) -> str:
    """A small Linux with Python."""
    return base_of(docker)


@pytest.fixture(scope="module")
def yard(docker: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One for each file of tests, empty at the end."""
    with docker.network(), socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yard = Yard(docker, tmp_path_factory.mktemp("yard"), f"yard-{os.getpid()}-{port}", port, base_image)
    yield yard
    target = yard.target()
    target.stop([one.host for one in target.running()])
