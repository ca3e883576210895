"""How a cluster is reached: a context of a kubeconfig, or from inside a pod of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.client_adapter import Client as HttpClient
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from freehold.errors import FreeholdError

MANAGER = "freehold"
"""Who owns the fields that are applied."""
CONNECT_S, SILENCE_S = 10.0, 30.0


@dataclass(frozen=True)
class Connection:
    """A cluster's API server. `place` names it for people: its context and its address."""

    client: Client
    http: httpx2.Client
    """For what lightkube has no call: the proxy to services, and watches that end when the server goes silent."""
    place: str

    def close(self) -> None:
        """Let go of all that is open."""
        self.client.close()
        self.http.close()


def connect(
    namespace: str,
    environ: Mapping[str, str],
    kubeconfig: Path | None = None,
    context: str | None = None,
    account: Path = Path(SERVICE_ACCOUNT),
) -> Connection:
    """Reach the cluster of `context`, else of the kubeconfig's current one, else the one that this pod runs in.

    The kubeconfig is `kubeconfig`, else the files of KUBECONFIG, else ~/.kube/config, as for kubectl; `account` is what
    a pod is given. Nothing is asked yet. Raises `cluster_config_missing` and `cluster_config_invalid`.
    """
    config = _usable(_chosen(environ, kubeconfig, context, account))
    parameters = ConnectionParams(timeout=httpx2.Timeout(SILENCE_S, connect=CONNECT_S))
    try:
        client = Client(config, namespace=namespace, field_manager=MANAGER, timeout=parameters.timeout)
        return Connection(client, HttpClient(config, parameters), f"{config.context_name} ({config.cluster.server})")
    except (ConfigError, OSError) as error:  # a certificate that is not there, or none
        raise FreeholdError("cluster_config_invalid", path=config.fname, reason=str(error)) from None


def _chosen(environ: Mapping[str, str], kubeconfig: Path | None, context: str | None, account: Path) -> SingleConfig:
    """The context that is wanted, of the first file that has it."""
    named = environ.get("KUBECONFIG") or "~/.kube/config"
    files = [kubeconfig] if kubeconfig else [Path(name).expanduser() for name in named.split(os.pathsep) if name]
    found = [_read(file) for file in files if file.is_file()]
    for one in found:
        wanted = context or one.current_context
        if wanted is not None and wanted in one.contexts:
            return _selected(one, wanted)
    if not found and not context and not kubeconfig and (account / "token").is_file():
        return _selected(KubeConfig.from_service_account(account), "default")
    contexts = sorted(name for one in found for name in one.contexts)
    raise FreeholdError(
        "cluster_config_missing",
        context=context or "current-context",
        files=", ".join(map(str, files)),
        known=", ".join(contexts) or "-",
    )


def _read(file: Path) -> KubeConfig:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(document, Mapping):
            raise TypeError("it is no kubeconfig")
        return KubeConfig.from_dict(dict(document), file)
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise FreeholdError("cluster_config_invalid", path=file, reason=reason) from None


def _selected(config: KubeConfig, context: str) -> SingleConfig:
    try:
        chosen = config.get(context)
    except KeyError as error:
        raise FreeholdError(
            "cluster_config_invalid",
            path=config.fname,
            reason=f"context {context} names {error}, which is not there",
        ) from None
    assert chosen is not None, "a context that is there gives a configuration"
    return chosen


def _usable(config: SingleConfig) -> SingleConfig:
    """lightkube asks for a user, and knows the plugins of before v1: what it reads of their answer is the same."""
    user = config.user or User()
    if user.exec is not None and user.exec.apiVersion == "client.authentication.k8s.io/v1":
        user.exec.apiVersion = "client.authentication.k8s.io/v1beta1"
    return config._replace(user=user)
