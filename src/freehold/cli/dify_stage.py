"""What an upgrade needs of a Dify that was deployed: both versions of it, its stage, and how it is asked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from freehold.cli.deployments import named, releases_of, rendered
from freehold.cli.dify_installations import containers_of, lease_of, on_cluster, version_in, with_version
from freehold.cli.dify_place import place_of
from freehold.config import Dify
from freehold.config.written import written
from freehold.deploy.compose.dify_target import ComposeDify
from freehold.deploy.compose.digests import digests
from freehold.deploy.compose.docker import Docker
from freehold.deploy.dify.console import Door, is_set_up, open_console
from freehold.deploy.dify.upgrading import journal
from freehold.deploy.dify.upgrading.compose import ComposeStage
from freehold.deploy.dify.upgrading.plan import Plan, plan
from freehold.deploy.dify.upgrading.stage import Say, Stage
from freehold.deploy.releases.deploying import Wanted, added_to
from freehold.deploy.releases.lock import Holder, held
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.installation import installation
from freehold.deploy.topology.release import known
from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError

WAIT_S = 600.0
"""How long Dify may take until its console answers."""


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
        if not deployment.has_dify:
            raise FreeholdError("dify_backup_not_deployed", name=releases.folder.name)
        return cls(releases, deployment)

    @property
    def version(self) -> str:
        """The one whose data is there."""
        if self.is_on_cluster:
            return on_cluster(self.deployment, os.environ).version
        return version_in(self.releases.folder / "compose", (self.deployment.config.dify or Dify()).version or "")

    @property
    def is_on_cluster(self) -> bool:
        """Else it is on this machine."""
        return self.deployment.settings.target == "kubernetes"

    @property
    def journal(self) -> Path:
        """Where an upgrade that is under way is written down."""
        return self.releases.folder / journal.FILE

    def of(self, version: str) -> tuple[Deployment, Installation]:
        """The same deployment with another Dify. Raises `dify_version_unknown` and what `installation` does."""
        changed = with_version(self.deployment, version)
        found = installation(changed.config, changed.digests)
        assert found is not None, "it has a version"
        return changed, found

    def plan(self, to: str | None) -> Plan:
        """What an upgrade changes. Raises `dify_upgrade_to_wanted`, and what `of` and `plan` do."""
        if to is None:
            raise FreeholdError("dify_upgrade_to_wanted", known=", ".join(known()))
        return plan(self.of(self.version)[1], self.of(to)[1])

    @contextmanager
    def alone(self) -> Iterator[Holder]:
        """Nobody else changes the deployment meanwhile. Raises what `held` and `lease_of` do."""
        what = "dify upgrade"
        with held(self.releases.lock, what) as holder, lease_of(self.deployment, os.environ, what):
            yield holder

    def record(self, version: str, holder: Holder) -> None:
        """The release in force from now on has this Dify; nothing else of it changes. Raises `releases_unwritable`."""
        new = self._pinned(version)
        if new == self.deployment:
            return
        release = added_to(self.releases, Wanted(new, written(new.config)), rendered(new), holder)
        self.releases.settle(self.releases.begin(release))
        self.releases.note(release, "current", f"dify upgrade to {version}")

    def stage(self, say: Say) -> Stage:
        """Where it runs. Raises what `on_cluster` and `Docker.find` do."""
        if self.is_on_cluster:
            return on_cluster(self.deployment, os.environ).stage(cache(self._pinned), lambda: self._ask(say), say)
        docker, name = Docker.find(os.environ), self.deployment.settings.name
        folder = self.releases.folder / "compose"
        return ComposeStage(
            target=ComposeDify(docker, name, folder),
            deployment=self._pinned,
            data=lambda version: containers_of(docker, name, folder, version),
            ask=lambda: self._ask(say),
            say=say,
            version=self.version,
        )

    def _pinned(self, version: str) -> Deployment:
        """As `freehold deploy` would make it: its images as they are on this machine, or at their registries."""
        deployment, found = self.of(version)
        if deployment == self.deployment:
            return deployment
        images = tuple(one.image for one in found.services)
        if self.is_on_cluster:
            here = on_cluster(self.deployment, os.environ).pinned(images)
        else:
            here = digests(Docker.find(os.environ), images)
        return replace(deployment, digests={**here, **deployment.digests})

    def _ask(self, say: Say) -> None:
        """Sign in, and let the default chat model answer: what users do. One that nobody has set up need only run."""
        config = self.deployment.config
        assert config.dify is not None, "read looked"
        place = place_of(config, config.dify, os.environ)
        door = Door(place.address, config.network, os.environ, WAIT_S)
        if not is_set_up(door, say):
            return
        with open_console(door, place.credentials, say) as console:
            chat = console.models.default("llm")
            if chat is not None:
                console.smoke.chat(chat.name)
