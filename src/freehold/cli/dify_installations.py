"""Where the Dify is that a verb is about: the official Compose installation of a folder, or one that was deployed."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from freehold.cli.deployments import named, releases_of
from freehold.config import home
from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.project import FOLDER, PROJECT
from freehold.deploy.dify.backup.place import Place
from freehold.deploy.dify.upgrading import journal
from freehold.deploy.releases.lock import held
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.cli.dify_cluster import DifyCluster

ComposeDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The folder `docker` of an official installation; default: the one deployed."),
]
Named = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="`deploy.name`; default: of this folder's configuration.")
]


def data_of(compose_dir: Path | None, name: str | None, environ: Mapping[str, str], cwd: Path) -> Place:
    """Where it runs. Raises `dify_backup_no_installation`, and what `Docker.find` does."""
    from freehold.deploy.dify.backup.compose import Containers

    if compose_dir is not None:
        folder = compose_dir.resolve()
        if not (folder / "docker-compose.yaml").is_file():
            raise FreeholdError("dify_backup_no_installation", path=folder)
        docker = Docker.find(environ)
        return Containers(docker, f"{FOLDER}={_called(docker, folder)}", official_settings(folder))
    releases = releases_of(named(name, environ, cwd), environ)
    release = releases.current() or releases.interrupted()
    if release is None:
        raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
    deployment = releases.deployment(release)
    dify = deployment.config.dify
    if dify is None or not deployment.has_dify:
        raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
    if deployment.settings.target == "kubernetes":
        cluster = on_cluster(deployment, environ)
        return cluster.place(with_version(deployment, cluster.version))
    folder = releases.folder / "compose"
    version = version_in(folder, dify.version or "")
    return containers_of(Docker.find(environ), deployment.settings.name, folder, version)


@contextmanager
def alone(
    compose_dir: Path | None, name: str | None, environ: Mapping[str, str], cwd: Path, what: str
) -> Iterator[Path]:
    """Nobody deploys, saves, restores or upgrades this Dify meanwhile, on a cluster from no other machine either; an
    official one: nobody with this home saves or restores it. Gives the folder where that is kept on this machine.

    Raises `dify_upgrade_interrupted`, and what `held` does.
    """
    lease: AbstractContextManager[None] = nullcontext()
    if compose_dir is None:
        releases = releases_of(named(name, environ, cwd), environ)
        folder, release = releases.folder, releases.current() or releases.interrupted()
        if release is not None:
            lease = lease_of(releases.deployment(release), environ, what)
    else:
        folder = home(environ) / "official" / sha256(str(compose_dir.resolve()).encode()).hexdigest()[:16]
    with held(folder / "lock", what), lease:
        journal.check(folder / journal.FILE)
        yield folder


def on_cluster(deployment: Deployment, environ: Mapping[str, str]) -> "DifyCluster":
    """The Dify of a deployment on a cluster. Raises `cluster_extra_missing`, and what `connect` does."""
    if find_spec("lightkube") is None:
        raise FreeholdError("cluster_extra_missing")
    from freehold.cli.dify_cluster import DifyCluster

    return DifyCluster.reach(deployment, environ)


def lease_of(deployment: Deployment, environ: Mapping[str, str], what: str) -> AbstractContextManager[None]:
    """What keeps those away who deploy from other machines. Raises as `on_cluster`, and `cluster_held`."""
    is_there = deployment.settings.target == "kubernetes"
    return on_cluster(deployment, environ).held(what) if is_there else nullcontext()


def with_version(deployment: Deployment, version: str) -> Deployment:
    """The same with another Dify; for one that has one."""
    config = deployment.config
    assert config.dify is not None, "whoever asks looked"
    changed = msgspec.structs.replace(config, dify=msgspec.structs.replace(config.dify, version=version))
    return replace(deployment, config=changed)


def version_in(folder: Path, said: str) -> str:
    """The version whose data a deployment in `folder` has, by its own word before that of the release."""
    from freehold.deploy.compose.dify_target import VERSION_FILE

    try:
        return (folder / VERSION_FILE).read_text("ascii").strip() or said
    except (OSError, UnicodeDecodeError):
        return said


def _called(docker: Docker, folder: Path) -> str:
    """The folder as its containers were told it: Compose may have been started through a link."""
    words = ("--filter", f"label={FOLDER}", "--format", f'{{{{.Label "{FOLDER}"}}}}')
    told = docker.run("ps", "--all", *words).splitlines()
    return min((one for one in told if one and Path(one).resolve() == folder), default=str(folder))


def containers_of(docker: Docker, project: str, folder: Path, version: str) -> Place:
    """The Dify of the Compose project `project`, which was started in `folder`."""
    from freehold.deploy.compose.dify import SECRETS_FILE
    from freehold.deploy.dify.backup.compose import Containers

    return Containers(docker, f"{PROJECT}={project}", {"dify-secrets.json": folder / SECRETS_FILE}, version)


def official_settings(folder: Path) -> dict[str, Path]:
    """The files of settings and secrets of an official installation: `.env`, and from 1.15 on `envs/`."""
    found = [folder / ".env", *sorted((folder / "envs").rglob("*.env"))]
    return {str(path.relative_to(folder)): path for path in found if path.is_file()}
