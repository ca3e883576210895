"""One configuration as the services that run it, before anything is said of Compose, Kubernetes or systemd."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from freehold.config import Gpus, ModelConfig
from freehold.config.deploying import Scale

FILE = "/etc/freehold/freehold.yaml"
"""What the gateway and each service of ours read, in their containers."""


@dataclass(frozen=True)
class Facts:
    """What is known of a model's files where the deployment is made: pure renderers are handed it.

    `bytes` is the size of its weights, None where they are not here; `digest` of the artifact ("" for others);
    `oci_digest` the one by which a registry has that artifact; `architecture` as its `config.json` names it first (""
    where nothing does).
    """

    bytes: int | None = None
    digest: str = ""
    oci_digest: str = ""
    memory_mb: int | None = None
    """What it needs to run, by the formula of `doctor --fit`."""
    architecture: str = ""
    kv_mb: int | None = None
    """Of `memory_mb`, what is for keys and values: a service in a container of that size is told `generation.kv_mb`, or
    it would take a quarter of what is available."""
    cores: int | None = None
    """The threads that `memory_mb` is counted with; None where it does not grow with them."""
    fingerprint: str = ""
    """Of files that no digest stands for: another one means that they are not what they were."""


@dataclass(frozen=True)
class Mount:
    """Files of the machine, or of a volume, in a service."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Pull:
    """An artifact that `freehold models pull` fetches into a service's own store before the service starts.

    `source` is `oci://HOST/REPOSITORY@sha256:...`, by the OCI digest; `name` is what it is called in that store.
    """

    source: str
    name: str


@dataclass(frozen=True)
class SecretFile:
    """A secret that a service reads from /run/secrets/NAME.

    `origin` is `${env:NAME}` or `${file:PATH}` of the configuration; "" for one that the deployment makes itself.
    """

    name: str
    origin: str = ""


@dataclass(frozen=True)
class Unit:
    """One service: an image and a command, the models it serves, and what it needs."""

    name: str
    """A DNS label: the model's id, or the service's, in lower case."""
    role: Literal["gateway", "models", "vllm", "other"]
    models: tuple[ModelConfig, ...]
    image: str
    """Where it is pulled from: `images.located` made it."""
    command: tuple[str, ...]
    """The words after the image's entrypoint, `entrypoint` aside."""
    entrypoint: tuple[str, ...] = ()
    port: int = 8080
    published: str = ""
    """HOST:PORT of this machine that stands for its port; "" where only the deployment's own network reaches it."""
    http_port: int | None = None
    """Published beside it, under its own number: plain HTTP, which answers probes and sends clients to HTTPS."""
    grpc_port: int | None = None
    """Published beside it, under its own number, where the configuration names one: gRPC."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """By path in the container: its freehold.yaml and nothing secret."""
    secrets: tuple[SecretFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """By model, the digest of its artifact; of other files on this machine their fingerprint."""
    pulls: tuple[Pull, ...] = ()
    """Where `deploy.pull_from` is set and the service runs on a cluster: these in place of a mount of the store."""
    gpus: Gpus | None = None
    gpu_ids: tuple[str, ...] = ()
    """Devices of this machine, by number; on a cluster the scheduler chooses."""
    cpu: float | None = None
    memory_mb: int | None = None
    shm_mb: int = 64
    ready: str = "/readyz"
    alive: str = "/livez"
    https: bool = False
    """Whether it answers by HTTPS, probes included."""
    startup_s: int = 60
    """How long it may take until it is ready."""
    grace_s: int = 30
    scale: Scale = field(default_factory=Scale)
    revision: str = ""
    """Eight hex digits of all the above but `models` and `scale`: what differs is another version, and runs beside
    this one for a while. Of the gateway's file only what it does not read again while it runs counts."""

    @property
    def host(self) -> str:
        """The name under which others reach this version of it."""
        return f"{self.name}-{self.revision}"

    @property
    def url(self) -> str:
        """How this machine reaches one that is published."""
        host, _, port = self.published.rpartition(":")
        host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared
        return f"{'https' if self.https else 'http'}://{host}:{port}"
