"""What an upgrade needs of a Dify that was deployed: both versions of it, its stage, and how it is asked."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from freehold.cli.deployments import named, releases_of
from freehold.cli.dify_installations import containers_of
from freehold.cli.dify_place import place_of
from freehold.config import Dify
from freehold.deploy.compose.dify_place import write_dify
from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.place import write_files
from freehold.deploy.compose.render import render
from freehold.deploy.dify.console import Door, open_console
from freehold.deploy.dify.upgrading.compose import ComposeStage
from freehold.deploy.dify.upgrading.stage import Stage
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.installation import installation
from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError

WAIT_S = 600.0
"""How long Dify may take until its console answers."""
STATE = "dify-upgrade.json"


@dataclass(frozen=True)
class Deployed:
    """The release in force, whose configuration deploys a Dify."""

    releases: Releases
    deployment: Deployment

    @classmethod
    def read(cls, name: str | None) -> "Deployed":
        """Raises `release_none`, `dify_backup_not_deployed`."""
        releases = releases_of(named(name, os.environ, Path.cwd()), os.environ)
        release = releases.current() or releases.interrupted()
        if release is None:
            raise FreeholdError("release_none", name=releases.folder.name)
        deployment = releases.deployment(release)
        if deployment.config.dify is None or deployment.config.dify.version is None:
            raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
        return cls(releases, deployment)

    @property
    def version(self) -> str:
        """What the release says."""
        return (self.deployment.config.dify or Dify()).version or ""

    @property
    def journal(self) -> Path:
        """Where an upgrade that is under way is written down."""
        return self.releases.folder / STATE

    def of(self, version: str) -> tuple[Deployment, Installation]:
        """The same deployment with another Dify. Raises `dify_version_unknown` and what `installation` does."""
        config = self.deployment.config
        assert config.dify is not None, "read looked"
        changed = msgspec.structs.replace(config, dify=msgspec.structs.replace(config.dify, version=version))
        found = installation(changed, self.deployment.digests)
        assert found is not None, "it has a version"
        return replace(self.deployment, config=changed), found

    def stage(self, say: Callable[[str], None]) -> Stage:
        """Where it runs. Raises `dify_upgrade_cluster` for a cluster, and what `Docker.find` does."""
        if self.deployment.settings.target != "compose":
            raise FreeholdError("dify_upgrade_cluster")
        docker, folder = Docker.find(os.environ), self.releases.folder / "compose"

        def write(version: str) -> Sequence[str]:
            deployment, found = self.of(version)
            write_files(folder, render(deployment))
            write_dify(folder, found, os.environ)
            return [service.name for service in found.services if service.kind == "server"]

        return ComposeStage(
            docker=docker,
            project=self.deployment.settings.name,
            folder=folder,
            data=lambda version: containers_of(docker, self.deployment.settings.name, folder, version),
            write=write,
            ask=lambda: self._ask(say),
            version=self.version,
        )

    def _ask(self, say: Callable[[str], None]) -> None:
        """Sign in, and let every default chat model answer: what users do."""
        config = self.deployment.config
        assert config.dify is not None, "read looked"
        place = place_of(config, config.dify, os.environ)
        door = Door(place.address, config.network, os.environ, WAIT_S)
        with open_console(door, place.credentials, say) as console:
            chat = console.models.default("llm")
            if chat is not None:
                console.smoke.chat(chat.name)
