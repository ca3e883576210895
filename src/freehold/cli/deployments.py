"""From a configuration, or from a name, to a deployment and the place where it runs."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

import msgspec

from freehold.cli.references import local_store, located
from freehold.config import Config, Deploy, ModelConfig, home, load, resolve
from freehold.config.load import file_of
from freehold.config.written import written
from freehold.deploy.bundle.lock import read_lock
from freehold.deploy.compose.dify import FOLDER as DIFY_FOLDER
from freehold.deploy.dify.backup import underway
from freehold.deploy.dify.upgrading import journal
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.units import Facts
from freehold.deploy.target import Target
from freehold.errors import FreeholdError
from freehold.machine import read_cpu


@dataclass(frozen=True)
class Given:
    """A configuration as it was given: `text` is the file's, or says what was read from elsewhere.

    `locked`: what images are by the lock file of a bundle that lies beside it; these go before all else.
    """

    config: Config
    text: str
    locked: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, source: str | None, environ: Mapping[str, str], cwd: Path) -> "Given":
        """As every command reads it. Raises what `load` raises, and `bundle_lock_unreadable`."""
        config, file = load(source, environ, cwd), file_of(source, environ, cwd)
        if not config.models and config.dify is not None and config.dify.version is not None:
            raise FreeholdError("dify_without_models")
        if not config.models:
            raise FreeholdError("config_no_model", folder=cwd)
        if config.deploy is None:
            folder = cwd if file is None else file.resolve().parent
            config = msgspec.structs.replace(config, deploy=Deploy(data=str(folder / "data")))
        locked = {} if file is None else read_lock(file.resolve().parent)
        return cls(config, written(config) if file is None else file.read_text(encoding="utf-8"), locked)

    @property
    def settings(self) -> Deploy:
        """What it says of deployments."""
        assert self.config.deploy is not None, "read fills it in"
        return self.config.deploy

    def deployment(self, digests: Mapping[str, str], environ: Mapping[str, str]) -> Deployment:
        """The services that it takes."""
        known = {**digests, **self.locked}
        return Deployment.of(self.config, self.facts(environ), known, str(home(environ).resolve()))

    def facts(self, environ: Mapping[str, str]) -> Mapping[str, Facts]:
        """What is known of its models' files here, by their ids."""
        return {model.id: _facts(model, self.config, self.settings, environ) for model in self.config.models}


def releases_of(name: str, environ: Mapping[str, str]) -> Releases:
    """The releases of a deployment."""
    return Releases(home(environ), name)


def named(name: str | None, environ: Mapping[str, str], cwd: Path) -> str:
    """The deployment that is meant: as said, as the configuration of this folder says, or the only one there is.

    Raises `deployment_ambiguous`.
    """
    if name is not None:
        return name
    try:
        return (load(None, environ, cwd).deploy or Deploy()).name
    except FreeholdError as error:
        if error.code != "config_no_model":
            raise
    folder = home(environ) / "releases"
    known = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    if len(known) > 1:
        raise FreeholdError("deployment_ambiguous", known=", ".join(known))
    return known[0] if known else Deploy().name


def target_of(deployment: Deployment, releases: Releases, environ: Mapping[str, str], *, force: bool = False) -> Target:
    """Where it runs. `force` takes over fields of a cluster's objects that others own.

    Raises `deploy_target_rendered` for what is only rendered, `cluster_extra_missing`, and what `connect` does.
    """
    settings, access = deployment.settings, deployment.config.access
    key = None if access.key is None or access.auth == "none" else resolve(access.key, environ)
    if settings.target == "compose":
        from freehold.deploy.compose.docker import Docker
        from freehold.deploy.compose.target import ComposeTarget

        return ComposeTarget(Docker.find(environ), settings.name, releases.folder / "compose", key)
    if settings.target == "kubernetes":
        if find_spec("lightkube") is None:
            raise FreeholdError("cluster_extra_missing")
        from freehold.deploy.kubernetes.api import Api
        from freehold.deploy.kubernetes.cluster import Cluster
        from freehold.deploy.kubernetes.connection import connect
        from freehold.deploy.kubernetes.naming import namespace_of

        namespace = namespace_of(deployment)
        api = Api(connect(namespace, environ, context=settings.context), namespace)
        return Cluster(api, settings.name, environ, key=key, force=force)
    raise FreeholdError("deploy_target_rendered", target=settings.target)


def hold_of(target: Target) -> Callable[[str], AbstractContextManager[None]]:
    """What keeps others from changing it who deploy from other machines, where the place has such a thing."""
    hold: Callable[[str], AbstractContextManager[None]] = getattr(target, "held", lambda _what: nullcontext())
    return hold


def unless_half_done(
    releases: Releases, hold: Callable[[str], AbstractContextManager[None]]
) -> Callable[[str], AbstractContextManager[None]]:
    """`hold`, which raises `dify_upgrade_interrupted` or `dify_restore_interrupted` where Dify's data is half done."""

    @contextmanager
    def held(what: str) -> Iterator[None]:
        journal.check(releases.folder / journal.FILE)
        underway.check(releases.folder)
        with hold(what):
            yield

    return held


def target_in_force(releases: Releases, environ: Mapping[str, str]) -> Target:
    """Where the release in force, or one that was interrupted, runs. Raises `release_none`."""
    release = releases.current() or releases.interrupted()
    if release is None:
        raise FreeholdError("release_none", name=releases.folder.name)
    return target_of(releases.deployment(release), releases, environ)


def state_folders(releases: Releases) -> list[Path]:
    """The folders of this machine that any release's services write to, and those of their secrets; not Dify's, whose
    data stays."""
    deployments = [releases.deployment(release) for release in releases.all()]
    units = [unit for one in deployments for unit in (*one.units, one.gateway) if one.settings.target == "compose"]
    found = {mount.source for unit in units for mount in unit.mounts if not mount.read_only}
    compose = releases.folder / "compose"
    has_dify = (compose / DIFY_FOLDER).is_dir()
    made = [path for path in compose.iterdir() if path.name != DIFY_FOLDER] if has_dify else [compose]
    return sorted(path for path in (*map(Path, found), *made) if path.is_dir())


def remove_folder(folder: Path) -> bool:
    """Remove it with all that is in it. Raises `data_unremovable`: containers write as a user of their own."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise FreeholdError("data_unremovable", path=folder, reason=error.strerror or str(error)) from None
    return True


def made_secrets(releases: Releases) -> list[str]:
    """The Secrets that any release on a cluster made itself, by name."""
    from freehold.deploy.kubernetes.naming import secret_of
    from freehold.deploy.kubernetes.tenancy import made_secrets as made_by

    deployments = [releases.deployment(release) for release in releases.all()]
    on_clusters = [one for one in deployments if one.settings.target == "kubernetes"]
    return sorted({secret_of(secret) for one in on_clusters for secret in made_by(one)})


def key_read_by(deployment: Deployment, releases: Releases) -> str:
    """The command that shows the key which the deployment made; "" where it made none."""
    if ACCESS not in deployment.gateway.secrets:
        return ""
    if deployment.settings.target == "kubernetes":
        from freehold.deploy.kubernetes.notes import key_command

        return key_command(deployment)
    from freehold.deploy.compose.layout import secret_path

    return f"cat {quote(str(releases.folder / 'compose' / secret_path(ACCESS)))}"


def rendered(deployment: Deployment) -> Mapping[str, str]:
    """The files of a deployment, for people and version control."""
    if deployment.settings.target == "kubernetes":
        from freehold.deploy.kubernetes.rendering import render as for_kubernetes

        return for_kubernetes(deployment)
    from freehold.deploy.compose.render import render as for_compose

    return for_compose(deployment)


def _facts(model: ModelConfig, config: Config, settings: Deploy, environ: Mapping[str, str]) -> Facts:
    """Of a cluster's volume nothing need be here."""
    if model.hosting == "upstream":
        return Facts()
    source, store = model.parsed_source, local_store(environ)
    try:
        path = located(source, store)
    except FreeholdError:
        if settings.target != "kubernetes":
            raise
        return Facts()
    from freehold.deploy.fitting.facts import CORES, facts_of  # reads graphs by onnx, which takes a while to import

    cores = CORES if settings.target == "kubernetes" else read_cpu().usable_cores
    facts = facts_of(model, path, _cores(model, config, cores))
    return facts if source.kind != "store" else replace(facts, oci_digest=store.find(source).oci_digest)


def _cores(model: ModelConfig, config: Config, most: int) -> int:
    """The threads that engines of its service start: what its models may use together, of `most` that there are."""
    mates = [one for one in config.models if model.service is not None and one.service == model.service] or [model]
    said = [one.resources.cpu for one in mates if one.resources.cpu is not None]
    return max(1, int(sum(said))) if len(said) == len(mates) else most
