"""The Dify that was deployed on a cluster, as the verbs about its data need it. Needs lightkube: see `on_cluster`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from freehold.config import Dify
from freehold.config.home import expanded
from freehold.deploy.dify.backup.cluster import Kubectl, Pods
from freehold.deploy.dify.upgrading.cluster import ClusterStage
from freehold.deploy.dify.upgrading.stage import Say, Stage
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.kubernetes.connection import connect
from freehold.deploy.kubernetes.dify.cluster import DifyOnCluster
from freehold.deploy.kubernetes.dify.objects import dify_of
from freehold.deploy.kubernetes.dify.secrets import version_of
from freehold.deploy.kubernetes.digests import digests
from freehold.deploy.kubernetes.naming import namespace_of
from freehold.deploy.services.deployment import Deployment


@dataclass(frozen=True)
class DifyCluster:
    """The one of `deployment`, whose configuration has a Dify. `environ` has what secrets refer to."""

    deployment: Deployment
    api: Api
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def reach(cls, deployment: Deployment, environ: Mapping[str, str]) -> "DifyCluster":
        """Nothing is asked yet. Raises what `connect` does."""
        namespace = namespace_of(deployment)
        connection = connect(namespace, environ, context=deployment.settings.context)
        return cls(deployment, Api(connection, namespace), environ)

    @property
    def version(self) -> str:
        """The release that its data is of: what the cluster says, else what the configuration does."""
        return version_of(self.api) or self._dify.version or ""

    def place(self, deployment: Deployment) -> Pods:
        """Its data, as of `deployment` with some version of Dify. Raises `dify_backup_kubectl_missing`."""
        dify, own = dify_of(deployment), deployment.config.network.ca
        assert dify is not None, "whoever asks looked"
        kubectl = Kubectl.find(self.environ, deployment.settings.context)
        return Pods(self.api, kubectl, deployment, dify, authorities="" if own is None else str(expanded(own)))

    def held(self, what: str) -> AbstractContextManager[None]:
        """Nobody changes it meanwhile, from whichever machine. Raises `cluster_held`."""
        return Cluster(self.api, self.deployment.settings.name, self.environ).held(what)

    def stage(self, of: Callable[[str], Deployment], ask: Callable[[], None], say: Say) -> Stage:
        """Where it is upgraded; `of` gives the deployment with another version, `ask` is the smoke test."""
        is_reached = self._dify.address is not None or self._dify.ingress_host is not None
        return ClusterStage(
            target=DifyOnCluster(self.api, self.environ),
            deployment=of,
            data=lambda version: self.place(of(version)),
            ask=ask if is_reached else lambda: say("Dify is not asked: it has no address outside the cluster"),
            say=say,
            version=self.version,
        )

    def pinned(self, images: tuple[str, ...]) -> Mapping[str, str]:
        """What these are at their registries, as far as those tell."""
        return digests(images, self.deployment.config.network, self.environ)[0]

    @property
    def _dify(self) -> Dify:
        return self.deployment.config.dify or Dify()
