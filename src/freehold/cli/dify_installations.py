"""Where the Dify is that a verb is about: the official Compose installation of a folder, or one that was deployed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.deployments import named, releases_of
from freehold.config import home
from freehold.deploy.compose.docker import Docker
from freehold.deploy.dify.backup.place import Place
from freehold.deploy.dify.upgrading import journal
from freehold.deploy.releases.lock import held
from freehold.errors import FreeholdError

ComposeDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The folder `docker` of an official installation; default: the one deployed."),
]
Named = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="`deploy.name`; default: of this folder's configuration.")
]
FOLDER_LABEL, PROJECT_LABEL = "com.docker.compose.project.working_dir", "com.docker.compose.project"


def place_of(compose_dir: Path | None, name: str | None, environ: Mapping[str, str], cwd: Path) -> Place:
    """Where it runs. Raises `dify_backup_no_installation`, and what `Docker.find` does."""
    from freehold.deploy.dify.backup.compose import Containers

    if compose_dir is not None:
        folder = compose_dir.resolve()
        if not (folder / "docker-compose.yaml").is_file():
            raise FreeholdError("dify_backup_no_installation", path=folder)
        return Containers(Docker.find(environ), f"{FOLDER_LABEL}={folder}", official_settings(folder))
    releases = releases_of(named(name, environ, cwd), environ)
    release = releases.current() or releases.interrupted()
    if release is None:
        raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
    deployment = releases.deployment(release)
    dify = deployment.config.dify
    if dify is None or dify.version is None:
        raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
    if deployment.settings.target != "compose":
        raise FreeholdError("dify_backup_cluster")
    folder = releases.folder / "compose"
    version = version_in(folder, dify.version)
    return containers_of(Docker.find(environ), deployment.settings.name, folder, version)


@contextmanager
def alone(
    compose_dir: Path | None, name: str | None, environ: Mapping[str, str], cwd: Path, what: str
) -> Iterator[None]:
    """Nobody deploys, saves, restores or upgrades this Dify meanwhile; an official one: nobody with this home saves or
    restores it.

    Raises `dify_upgrade_interrupted`, and what `held` does.
    """
    if compose_dir is None:
        folder = releases_of(named(name, environ, cwd), environ).folder
    else:
        folder = home(environ) / "official" / sha256(str(compose_dir.resolve()).encode()).hexdigest()[:16]
    with held(folder / "lock", what):
        journal.check(folder / journal.FILE)
        yield


def version_in(folder: Path, said: str) -> str:
    """The version whose data a deployment in `folder` has, by its own word before that of the release."""
    from freehold.deploy.compose.dify_target import VERSION_FILE

    try:
        return (folder / VERSION_FILE).read_text("ascii").strip() or said
    except (OSError, UnicodeDecodeError):
        return said


def containers_of(docker: Docker, project: str, folder: Path, version: str) -> Place:
    """The Dify of the Compose project `project`, which was started in `folder`."""
    from freehold.deploy.compose.dify import SECRETS_FILE
    from freehold.deploy.dify.backup.compose import Containers

    return Containers(docker, f"{PROJECT_LABEL}={project}", {"dify-secrets.json": folder / SECRETS_FILE}, version)


def official_settings(folder: Path) -> dict[str, Path]:
    """The files of settings and secrets of an official installation: `.env`, and from 1.15 on `envs/`."""
    found = [folder / ".env", *sorted((folder / "envs").rglob("*.env"))]
    return {str(path.relative_to(folder)): path for path in found if path.is_file()}
