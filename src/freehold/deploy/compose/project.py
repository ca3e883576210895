"""The containers of one Compose project: how they are found, asked whether they are ready, and read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.layout import FILE

PROJECT, SERVICE, ONE_OFF, FOLDER = (
    f"com.docker.compose.{label}" for label in ("project", "service", "oneoff", "project.working_dir")
)
"""The labels that Compose gives to containers and networks."""
_LAST_LINES = "80"


def in_project(docker: Docker, name: str, folder: Path, *words: str) -> None:
    """Compose's command WORDS for the project `name`, whose files lie in `folder`."""
    docker.compose("-p", name, "--project-directory", str(folder), "-f", str(folder / FILE), *words)


def probed(docker: Docker, container: dict[str, Any]) -> dict[str, Any]:
    """A container that starts or was unwell, with an answer to the probe of just now: Docker's own comes seconds or
    minutes later."""
    state = container["State"]
    before = (state.get("Health") or {}).get("Status")
    if state["Status"] != "running" or before not in ("starting", "unhealthy"):
        return container
    kind, *test = container["Config"]["Healthcheck"]["Test"]
    done = docker.tried("exec", container["Id"], *(["/bin/sh", "-c"] if kind == "CMD-SHELL" else []), *test)
    health = {"Status": "healthy" if done.returncode == 0 else before, "Log": [{"Output": done.stdout}]}
    return {**container, "State": {**state, "Health": health}}


def logged(docker: Docker, id_: str, follow: bool, tail: int) -> Iterator[str]:
    """The last lines that a container wrote, and with `follow` those that it writes."""
    return docker.lines("logs", "--tail", str(tail), *(["--follow"] if follow else []), id_)


def written(docker: Docker, id_: str) -> str:
    """The last lines that a container wrote."""
    done = docker.tried("logs", "--tail", _LAST_LINES, id_)
    return f"{done.stdout}\n{done.stderr}"
