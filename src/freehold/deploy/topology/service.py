"""The services of a Dify, as renderers read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from freehold.deploy.services.units import SecretFile

Network = Literal["default", "sandbox"]
"""`default` is that of the deployment, where the gateway is; `sandbox` has no way out but through the proxy."""


@dataclass(frozen=True)
class Volume:
    """A place whose files outlive the container. Services that name the same one share it."""

    name: str
    """A DNS label: `app-storage`, `plugin-daemon`, `db`, ..."""
    path: str
    """Where it is in the container."""
    size_gb: int = 10
    """What a cluster's claim asks for."""


@dataclass(frozen=True)
class Probe:
    """How a service tells that it works: HTTP `path` on `port`, or `command` run inside it, or `port` accepts."""

    port: int = 0
    path: str = ""
    command: tuple[str, ...] = ()
    interval_s: int = 10
    timeout_s: int = 5
    startup_s: int = 60


@dataclass(frozen=True)
class Service:
    """One service of Dify."""

    name: str
    """As in the release's own topology, `db_postgres` say; renderers make names of hosts from it by `host_of`."""
    image: str
    """Where it is pulled from: `images.located` made it."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """What is not secret."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """By variable a text with the names of secrets in braces: `{secret_key}`, `redis://:{redis_password:url}@redis/1`.

    `secrets.filled` puts the values in; `:url` quotes them for an address."""
    files: Mapping[str, str] = field(default_factory=dict)
    """By path in the container: configuration, nothing secret."""
    secret_files: Mapping[str, SecretFile] = field(default_factory=dict)
    """By path in the container: a certificate's key, say."""
    volumes: tuple[Volume, ...] = ()
    port: int = 0
    """That others on its networks reach; 0 for none."""
    more_ports: tuple[int, ...] = ()
    """Further ones that its callers need: Weaviate's gRPC."""
    networks: tuple[Network, ...] = ("default",)
    reaches: tuple[str, ...] = ()
    """Services that it calls, for policies of the network; `gateway` is ours, `outside` all that is not the cluster."""
    after: tuple[str, ...] = ()
    """Services that must be ready (jobs: finished) before it starts."""
    probe: Probe | None = None
    kind: Literal["server", "job"] = "server"
    scale: Literal["one", "many"] = "one"
    """`one`: never two at a time: the old one is stopped before the new one starts."""
    user: str = ""
    """UID:GID where the image's own is not the one to use."""
    writable: tuple[str, ...] = ()
    """Folders that it writes to and nobody keeps."""
    read_only: bool = False
    """Its root file system, `writable` aside."""
    capabilities: tuple[str, ...] = ()
    """What it must keep of those that are dropped."""
    memory_mb: int | None = None
    stateful: bool = False
    """A database: `down` keeps its volumes, and a rollout never makes it anew by itself."""


@dataclass(frozen=True)
class Installation:
    """One Dify: all its services, in the order in which they start."""

    version: str
    services: tuple[Service, ...]
    secrets: tuple[str, ...]
    """The names of all secrets that it makes itself, each once: topology/secrets.py makes and keeps them."""
    given: Mapping[str, SecretFile] = field(default_factory=dict)
    """By name in the braces of `Service.secrets`, those that the user has (own PostgreSQL, Redis, object store)."""
    paths: tuple[tuple[str, str], ...] = ()
    """The path table of nginx or an Ingress: path, service; the longest first, `/` last."""
    address: str = ""
    """As browsers reach it."""

    def service(self, name: str) -> Service:
        """The service of that name. Raises KeyError."""
        return {one.name: one for one in self.services}[name]
