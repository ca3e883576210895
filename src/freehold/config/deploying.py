"""What the configuration says of deployments: where they run, from which images, and how many of what."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from freehold.config.forms import Count, Identifier, Seconds, Shape, Text, doc

DATA = "./data"
Port = Annotated[int, Meta(ge=1, le=65535)]


class Resources(Shape, frozen=True):
    """What one copy of a model's service may use of its machine."""

    cpu: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        doc("Cores; null: as many as there are, on a cluster eight where memory grows with them.", "cores"),
    ] = None
    memory_mb: Annotated[
        Count | None, doc("Memory; null: what `freehold doctor --fit` computes, with a tenth to spare.", "MiB")
    ] = None


class Scale(Shape, frozen=True):
    """How many copies of a model's service run on a cluster."""

    least: Annotated[Count, doc("So many always.")] = 1
    most: Annotated[Count | None, doc("So many when requests wait; null: `least`, no autoscaling.")] = None
    queue: Annotated[Count, doc("Requests that wait at each copy before another one is started.")] = 4
    by: Annotated[
        Literal["queue", "cpu"], doc("`queue` needs prometheus-adapter in the cluster, `cpu` only metrics-server.")
    ] = "queue"


class Ingress(Shape, frozen=True):
    """How the outside reaches a cluster's gateway."""

    host: Annotated[Text, doc("The name that clients use.")]
    ingress_class: Annotated[Text | None, doc("The ingress controller; null: the cluster's default.")] = None
    issuer: Annotated[Text | None, doc("A ClusterIssuer of cert-manager that gets the certificate (ACME).")] = None
    secret: Annotated[Text | None, doc("An existing TLS secret; with `issuer`, the one that it writes.")] = None
    namespace: Annotated[
        Text | None, doc("Where the controller's pods run; null: in `traefik` for that class, else in `ingress-nginx`.")
    ] = None


class Monitoring(Shape, frozen=True):
    """Who may read a cluster's metrics."""

    namespace: Annotated[Text, doc("Where Prometheus runs: its pods reach `/metrics` of every service.")] = "monitoring"
    operator: Annotated[
        bool, doc("Prometheus is run by its operator: ServiceMonitors are made for it. Else annotations alone.")
    ] = False
    labels: Annotated[
        Mapping[str, Text], doc("By which that operator chooses monitors: `release: prometheus`, for example.")
    ] = msgspec.field(default_factory=dict)


class Storage(Shape, frozen=True):
    """Where a cluster's pods find model files."""

    claim: Annotated[Text | None, doc("A PersistentVolumeClaim with model files, mounted read-only.")] = None
    path: Annotated[Text, doc("Where it is mounted: the folder below which the sources of models lie.")] = "/models"
    size_gb: Annotated[Count | None, doc("Make the claim, with so much space; null: it exists.", "GiB")] = None
    storage_class: Annotated[Text | None, doc("The storage class of a claim that is made; null: the default.")] = None


class Spot(Shape, frozen=True):
    """Nodes that may be taken away at short notice."""

    key: Annotated[Text, doc("The label that such nodes have, and the key of their taint.")]
    value: Annotated[Text, doc("Its value.")] = "true"
    on_demand: Annotated[Annotated[int, Meta(ge=0)], doc("Copies of each service that stay on other nodes.")] = 1


class Deploy(Shape, frozen=True):
    """Where `freehold deploy` puts it."""

    target: Annotated[Literal["compose", "kubernetes", "systemd"], doc("What is rendered and rolled out.")] = "compose"
    name: Annotated[Identifier, doc("Of the deployment: Compose's project, the prefix of systemd's units.")] = (
        "freehold"
    )
    registry: Annotated[Text | None, doc("A registry, with its path, that mirrors every image.")] = None
    pull_secrets: Annotated[tuple[Text, ...], doc("Names of Kubernetes secrets for the registry.")] = ()
    image: Annotated[Text | None, doc("Our image; null: that of this version, `-cuda` where a model has GPUs.")] = None
    host: Annotated[Text, doc("The address of this machine that Compose and systemd publish the gateway on.")] = (
        "127.0.0.1"
    )
    port: Annotated[Port, doc("Its port there.")] = 8080
    data: Annotated[Text, doc("The folder of this machine where Compose and systemd keep state, below `name`.")] = DATA
    disk_mb_s: Annotated[
        Annotated[float, Meta(gt=0)], doc("How fast weights are read; startup probes wait three times as long.", "MB/s")
    ] = 200.0
    context: Annotated[Text | None, doc("The cluster's context in the kubeconfig; null: the current one.")] = None
    kubernetes: Annotated[
        Annotated[str, Meta(pattern=r"^1\.[0-9]+$")] | None, doc("The cluster's version; null: a recent one.")
    ] = None
    namespace: Annotated[Text | None, doc("The namespace, one for each tenant; null: `name`.")] = None
    ingress: Annotated[Ingress | None, doc("How the outside reaches the gateway; null: only the cluster does.")] = None
    clients: Annotated[
        tuple[Text, ...],
        doc("Namespaces whose pods may call the gateway, Dify's say; none: without an ingress every namespace may."),
    ] = ()
    control_plane: Annotated[
        tuple[Text, ...],
        doc("Addresses (CIDR) from which the API server calls into the cluster: `freehold deploy` asks through it."),
    ] = ()
    monitoring: Annotated[Monitoring, doc("Who may read metrics on a cluster.")] = Monitoring()
    storage: Annotated[Storage, doc("Where pods find model files.")] = Storage()
    pull_from: Annotated[
        Text | None, doc("A repository of the registry that models of the store are pushed to and pulled from.")
    ] = None
    spot: Annotated[Spot | None, doc("Put what is above the floor on nodes that may be taken away.")] = None
    steps: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=100)], ...], doc("A new version's share of the requests, step by step.", "%")
    ] = (5, 50, 100)
    step_s: Annotated[Seconds, doc("How long each step is watched.", "seconds")] = 60.0
    max_errors: Annotated[
        Annotated[float, Meta(ge=0, le=1)], doc("The share of failed requests above which it is taken back.")
    ] = 0.01
    max_p99: Annotated[
        Annotated[float, Meta(gt=1)] | None, doc("It is taken back when its p99 is so many times the old one's.")
    ] = 2.0
