"""A Dify that was deployed on Kubernetes: programs run in its pods by `kubectl exec`, writers are scaled to nothing."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Pod

from freehold.deploy.dify.backup.databases import KNOWING_ITSELF
from freehold.deploy.dify.backup.pieces import HOLDERS, WRITERS, Variables
from freehold.deploy.dify.backup.place import Installed
from freehold.deploy.dify.backup.programs import Command
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.aside import files_name, files_pod, remove_files_pods, start_files_pod
from freehold.deploy.kubernetes.dify.holding import hold, let_go
from freehold.deploy.kubernetes.dify.naming import DIFY, OURS, SECRETS, host_of, selector_of
from freehold.deploy.kubernetes.dify.secrets import read_made
from freehold.deploy.kubernetes.naming import NAME, secret_of
from freehold.deploy.kubernetes.pods import CONTAINER
from freehold.deploy.kubernetes.secret_objects import read_secret
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation
from freehold.deploy.topology.texts import filled
from freehold.errors import FreeholdError

_WRITERS = (*WRITERS, "migration")
SETTINGS = "dify-secrets.yaml"
"""The Secret as `kubectl apply --filename` takes it."""


@dataclass(frozen=True)
class Kubectl:
    """The program, by which administrators come into pods, and the cluster that it is told."""

    program: str
    environ: Mapping[str, str] = field(repr=False)
    context: str | None = None

    @classmethod
    def find(cls, environ: Mapping[str, str], context: str | None) -> "Kubectl":
        """The one of PATH. Raises `dify_backup_kubectl_missing`."""
        program = shutil.which("kubectl", path=environ.get("PATH"))
        if program is None:
            raise FreeholdError("dify_backup_kubectl_missing")
        return cls(program, environ, context)

    def inside(self, namespace: str, pod: str, words: Sequence[str]) -> Command:
        """A program in the main container of a pod; its streams are the program's."""
        cluster = ("--context", self.context) if self.context is not None else ()
        place = ("--namespace", namespace, "exec", "--stdin", pod, "--container", CONTAINER)
        return Command((self.program, *cluster, *place, "--", *words), self.environ)


@dataclass(frozen=True)
class Pods:
    """The Dify of `deployment` in the namespace of `api`; `dify` are its services, as a cluster names their hosts.

    PostgreSQL's programs run in the database's own pod; one that is no pod is asked from this machine, by its address.
    Files are read and written in a pod of their service, or where none runs in one that only has the same volumes.
    """

    api: Api
    kubectl: Kubectl
    deployment: Deployment
    dify: Installation
    authorities: str = ""
    """A file of the CAs that an own PostgreSQL may have its certificate of; "" for those of this machine."""
    look_s: float = 2.0

    @property
    def name(self) -> str:
        """As Place."""
        return f"Kubernetes (namespace {self.api.namespace} of {self.api.place})"

    def found(self) -> Installed:
        """As Place. Raises `dify_secrets_missing`."""
        made = self._made()
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRETS, "labels": {NAME: DIFY, **OURS}},
            "type": "Opaque",
            "stringData": dict(made),
        }
        environment = {SETTINGS: (json.dumps(secret, indent=2) + "\n").encode()}
        return self._variables(made).installed(self.dify.version, environment)

    def inside(self, service: str, words: Sequence[str]) -> Command:
        """As Place. Raises `dify_backup_absent`, `dify_service_failed`."""
        if service in HOLDERS:
            # who is no root, or one without its rights, gives files to nobody: they are the service's, as all of it
            holder = next(self._running(service), None) or self._with_files(service)
            return self.kubectl.inside(self.api.namespace, holder, ("env", "TAR_OPTIONS=--no-same-owner", *words))
        pod = next(self._running(service), None)
        if pod is not None:
            return self.kubectl.inside(self.api.namespace, pod, ("sh", "-c", KNOWING_ITSELF, "sh", *words))
        address = self._variables(self._made()).address(service, self.authorities)
        if address is None:
            known = ", ".join(sorted(one.name for one in self.dify.services if any(self._running(one.name)))) or "-"
            raise FreeholdError("dify_backup_absent", service=service, place=self.name, known=known)
        return address.command(words, self.kubectl.environ)

    def freeze(self) -> None:
        """As Place: no copy of a writer is left, so tasks that run longer than a pod's grace are cut off."""
        hold(self.api, _WRITERS)

    def thaw(self) -> None:
        """As Place. Raises `dify_backup_disturbed` where somebody else started a writer meanwhile."""
        remove_files_pods(self.api)
        let_go(self.api, _WRITERS)

    def stop(self) -> None:
        """As Place. Migrations are ended, and those that are done forgotten: of data that comes they were not."""
        for job in self.api.all(Job, labels=OURS)[0]:
            assert job.metadata is not None, "what a server stores has metadata"
            self.api.delete(Job, str(job.metadata.name))
        self.freeze()

    def start(self) -> None:
        """As Place."""
        self.thaw()

    def _running(self, service: str) -> Iterator[str]:
        """Its pods that are ready."""
        for pod in self.api.all(Pod, labels=selector_of(service))[0]:
            conditions = (pod.status.conditions if pod.status else None) or ()
            if any(one.type == "Ready" and one.status == "True" for one in conditions):
                assert pod.metadata is not None, "what a server stores has metadata"
                yield str(pod.metadata.name)

    def _with_files(self, service: str) -> str:
        """The pod beside it, which is there from the first time that it is asked for until `thaw`."""
        there = self.api.find(Pod, files_name(service))
        if there is not None and there.status is not None and there.status.phase == "Running":
            return files_name(service)
        tree = files_pod(self.deployment, self.dify, self.dify.service(service))
        return start_files_pod(self.api, tree, self.look_s)

    def _made(self) -> Mapping[str, str]:
        made = read_made(self.api)
        if not made:
            raise FreeholdError("dify_secrets_missing", place=f"Secret {SECRETS}")
        return made

    def _variables(self, made: Mapping[str, str]) -> Variables:
        """As the kubelet makes them."""
        given = {name: read_secret(self.api, secret_of(secret)) or "" for name, secret in self.dify.given.items()}
        values = {**given, **made}

        def of(name: str) -> Mapping[str, str]:
            service = self.dify.service(name)
            secret = {name: filled(text, values) for name, text in service.secrets.items()}
            return {**service.environment, **secret}

        hosts = {host_of(one.name): one.name for one in self.dify.services}
        return Variables(of("api"), of("plugin_daemon"), hosts)
