"""An upgrade of the Dify that was deployed on Kubernetes: laid and started as `freehold deploy` does it."""

from collections.abc import Sequence
from dataclasses import dataclass

from freehold.deploy.dify.upgrading.stage import Laid
from freehold.deploy.kubernetes.dify.cluster import DifyOnCluster


@dataclass
class ClusterStage(Laid):
    """A Stage on a cluster: see Laid."""

    target: DifyOnCluster

    def put(self, version: str) -> None:
        """As Stage. Databases run all the time: a new image of theirs is taken when somebody deletes their pod."""
        self.version = version
        self.target.lay(self.deployment(version))

    def migrate(self) -> None:
        """As Stage."""
        self.target.migrate(self.deployment(self.version), self.say)

    def run(self, words: Sequence[str]) -> None:
        """As Stage."""
        self.target.run(self.deployment(self.version), words)
