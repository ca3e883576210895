"""An upgrade of the Dify that was deployed on Kubernetes: laid and started as `freehold deploy` does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from freehold.deploy.dify.backup.place import Place
from freehold.deploy.dify.upgrading.stage import Say
from freehold.deploy.kubernetes.dify.cluster import DifyOnCluster
from freehold.deploy.services.deployment import Deployment


@dataclass
class ClusterStage:
    """The Dify `target`. `deployment` and `data` are those of a version, by its number; `ask` is the smoke test."""

    target: DifyOnCluster
    deployment: Callable[[str], Deployment]
    data: Callable[[str], Place]
    ask: Callable[[], None]
    say: Say
    version: str
    """The one in place."""

    @property
    def place(self) -> Place:
        """As Stage."""
        return self.data(self.version)

    def verify(self, version: str) -> None:
        """As Stage."""
        self.target.verify(self.deployment(version))

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

    def start(self) -> None:
        """As Stage."""
        self.target.start(self.deployment(self.version), self.say)

    def try_out(self) -> None:
        """As Stage."""
        self.ask()
