"""Where the Dify is that a verb is about: the official Compose installation of a folder, or one that was deployed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.deployments import named, releases_of
from freehold.deploy.dify.backup.place import Place
from freehold.errors import FreeholdError

ComposeDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The folder `docker` of an official installation; default: the one deployed."),
]
Deployed = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="`deploy.name`; default: of this folder's configuration.")
]
FOLDER_LABEL, PROJECT_LABEL = "com.docker.compose.project.working_dir", "com.docker.compose.project"


def place_of(compose_dir: Path | None, name: str | None, environ: Mapping[str, str], cwd: Path) -> Place:
    """Where it runs. Raises `dify_backup_no_installation`, and what `Docker.find` does."""
    from freehold.deploy.compose.docker import Docker
    from freehold.deploy.dify.backup.compose import Containers

    if compose_dir is not None:
        folder = compose_dir.resolve()
        if not (folder / "docker-compose.yaml").is_file():
            raise FreeholdError("dify_backup_no_installation", path=folder)
        return Containers(Docker.find(environ), f"{FOLDER_LABEL}={folder}", official_settings(folder))
    releases = releases_of(named(name, environ, cwd), environ)
    release = releases.current() or releases.interrupted()
    if release is None:
        raise FreeholdError("release_none", name=releases.folder.name)
    deployment = releases.deployment(release)
    dify = deployment.config.dify
    if dify is None or dify.version is None:
        raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
    if deployment.settings.target != "compose":
        from freehold.deploy.dify.backup.kubernetes import Pods
        from freehold.deploy.kubernetes.naming import namespace_of

        return Pods(namespace_of(deployment), deployment.settings.context or "", environ, dify.version)
    from freehold.deploy.compose.dify import SECRETS_FILE

    settings = {"dify-secrets.json": releases.folder / "compose" / SECRETS_FILE}
    label = f"{PROJECT_LABEL}={deployment.settings.name}"
    return Containers(Docker.find(environ), label, settings, dify.version)


def official_settings(folder: Path) -> dict[str, Path]:
    """The files of settings and secrets of an official installation: `.env`, and from 1.15 on `envs/`."""
    found = [folder / ".env", *sorted((folder / "envs").rglob("*.env"))]
    return {str(path.relative_to(folder)): path for path in found if path.is_file()}
