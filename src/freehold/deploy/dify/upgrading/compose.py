"""An upgrade of the Dify that was deployed with Docker Compose: laid and started as `freehold deploy` does it."""

from collections.abc import Sequence
from dataclasses import dataclass

from freehold.deploy.compose.dify_target import ComposeDify, needed_by
from freehold.deploy.compose.project import in_project
from freehold.deploy.dify.backup.pieces import HOLDERS
from freehold.deploy.dify.upgrading.stage import Laid
from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError

MIGRATION, API = "migration", "api"


@dataclass
class ComposeStage(Laid):
    """A Stage of a Compose project: see Laid."""

    target: ComposeDify

    def put(self, version: str) -> None:
        """As Stage. What has the data is there in this version, too, but does not run."""
        self.version = version
        dify = self.target.lay(self.deployment(version))
        self._compose("up", "--no-start", "--no-deps", *HOLDERS)
        self._bring(dify, migrating=False)

    def migrate(self) -> None:
        """As Stage."""
        self._bring(self.target.lay(self.deployment(self.version)), migrating=True)

    def run(self, words: Sequence[str]) -> None:
        """As Stage."""
        try:
            self._compose("run", "--rm", "-T", "--no-deps", "--entrypoint", words[0], API, *words[1:])
        except FreeholdError as error:
            raise FreeholdError("dify_upgrade_failed", what=" ".join(words), words=error) from None

    def _bring(self, dify: Installation, *, migrating: bool) -> None:
        """What the migration needs, and the migration itself."""
        wanted = {one.name for one in needed_by(MIGRATION, dify.services)} | ({MIGRATION} if migrating else set())
        self.target.bring(dify, [one for one in dify.services if one.name in wanted], self.say)

    def _compose(self, *words: str) -> None:
        in_project(self.target.docker, self.target.name, self.target.folder, *words)
