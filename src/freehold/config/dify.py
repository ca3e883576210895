"""What the configuration says of Dify: the one that exists, or the one that is deployed beside the models."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from freehold.config.deploying import Port
from freehold.config.forms import Line, Secret, Shape, Text, Url, doc, form

VERSION = r"^[0-9]+\.[0-9]+\.[0-9]+$"


class Postgres(Shape, frozen=True):
    """A PostgreSQL of your own, in place of a container. Both databases exist there before Dify starts."""

    host: Annotated[Text, doc("Its name, as containers or pods reach it.")]
    password: Annotated[Secret, doc("The user's password.")]
    port: Annotated[Port, doc("Its port.")] = 5432
    user: Annotated[Text, doc("Owns both databases.")] = "postgres"
    database: Annotated[Text, doc("Dify's database.")] = "dify"
    plugin_database: Annotated[Text, doc("The plugin daemon's database.")] = "dify_plugin"
    tls: Annotated[
        Literal["disable", "require", "verify-ca", "verify-full"], doc("As libpq's `sslmode`; CAs are `network.ca`'s.")
    ] = "disable"


class Redis(Shape, frozen=True):
    """A Redis of your own, in place of a container."""

    host: Annotated[Text, doc("Its name, as containers or pods reach it.")]
    password: Annotated[Secret | None, doc("Its password; null: it asks for none.")] = None
    port: Annotated[Port, doc("Its port.")] = 6379
    user: Annotated[Text | None, doc("Its user (ACL); null: the default one.")] = None
    tls: Annotated[bool, doc("Reach it by TLS, which takes the CAs of `network.ca`.")] = False


class ObjectStore(Shape, frozen=True):
    """A store that speaks S3, in place of folders: on a cluster nothing is shared then, and every pod may move."""

    endpoint: Annotated[Url, doc("Its address.")]
    bucket: Annotated[Text, doc("The bucket of Dify's files.")]
    access_key: Annotated[Secret, doc("The access key's id.")]
    secret_key: Annotated[Secret, doc("The access key's secret.")]
    plugin_bucket: Annotated[Text | None, doc("The bucket of plugins; null: the same.")] = None
    region: Annotated[Text, doc("Its region.")] = "us-east-1"
    path_style: Annotated[bool, doc("Buckets are paths (MinIO, Ceph), not names of hosts.")] = True


class VectorStore(Shape, frozen=True):
    """Where knowledge bases keep their vectors."""

    kind: Annotated[
        Literal["pgvector", "weaviate", "qdrant"], doc("`pgvector` alone is in the backups of `freehold dify backup`.")
    ] = "pgvector"
    endpoint: Annotated[
        Text | None, doc("Your own, in place of a container: HOST:PORT of a PostgreSQL, else its address.")
    ] = None
    user: Annotated[Text, doc("Of your own PostgreSQL.")] = "postgres"
    database: Annotated[Text, doc("Of your own PostgreSQL.")] = "dify"
    key: Annotated[Secret | None, doc("The password, or the API key, of your own.")] = None


class Console(Shape, frozen=True):
    """The account of a Dify that is deployed: `freehold dify connect` makes it, with a password that is generated."""

    email: Annotated[Text, doc("The administrator signs in with it.")] = "admin@example.com"
    name: Annotated[Line, doc("The administrator's name.")] = "admin"
    language: Annotated[Literal["en-US", "zh-Hans"], doc("The language of the console.")] = "en-US"


class DifyTls(Shape, frozen=True):
    """Dify's own HTTPS on one server; on a cluster `ingress` has it."""

    certificate: Annotated[Text, doc("A PEM file: the certificate and those between it and the CA.")]
    key: Annotated[Text, doc("A PEM file: its private key.")]


class Dify(Shape, frozen=True):
    """The Dify that uses these models: an existing one by `url`, or one that is deployed, by `version`."""

    url: Annotated[Url | None, doc("The address of an existing Dify.")] = None
    version: Annotated[Annotated[str, form(VERSION, '"1.15.0"')] | None, doc("The release of Dify to deploy.")] = None
    workspace: Annotated[Text | None, doc("The workspace's id, which `admin_key` needs; null: the account's own.")] = (
        None
    )
    admin_key: Annotated[Secret | None, doc("Its ADMIN_API_KEY: acts as the workspace's owner.")] = None
    email: Annotated[Text | None, doc("Signs in to the console, where there is no `admin_key`.")] = None
    password: Annotated[Secret | None, doc("The password of `email`.")] = None
    models_url: Annotated[
        Url | None,
        doc(
            "Our server as Dify's plugin daemon reaches it, with /v1; never a loopback address.",
            default="the gateway's address in the same deployment",
        ),
    ] = None
    models_key: Annotated[
        Secret | None, doc("The key that Dify calls models with.", default="the one that the deployment made")
    ] = None
    default_models: Annotated[
        Mapping[Literal["llm", "text-embedding", "rerank", "speech2text", "tts"], Text],
        doc("Dify's default models by type.", default="the first model of each type"),
    ] = msgspec.field(default_factory=dict)
    address: Annotated[
        Url | None, doc("A deployed one, as browsers reach it; null: http://HOST:PORT, or `ingress`.")
    ] = None
    host: Annotated[Text, doc("The address of this machine that Compose publishes it on.")] = "127.0.0.1"
    port: Annotated[Port | None, doc("Its port there.", default="80, with `tls` 443")] = None
    tls: Annotated[DifyTls | None, doc("Its HTTPS on one server; null: plain HTTP.")] = None
    ingress_host: Annotated[
        Text | None, doc("The name that browsers use on a cluster, by the controller of `deploy.ingress`.")
    ] = None
    storage_class: Annotated[
        Text | None,
        doc("On a cluster, the class of volumes that one pod has: disks, no network folders; null: the default."),
    ] = None
    console: Annotated[Console, doc("The administrator of a deployed one.")] = Console()
    vectors: Annotated[VectorStore, doc("Where knowledge bases keep their vectors.")] = VectorStore()
    postgres: Annotated[Postgres | None, doc("Your own PostgreSQL; null: a container.")] = None
    redis: Annotated[Redis | None, doc("Your own Redis; null: a container.")] = None
    storage: Annotated[
        ObjectStore | None, doc("Your own object store; null: folders of this machine, on a cluster volumes.")
    ] = None
    private_hosts: Annotated[
        tuple[Text, ...], doc("Private addresses (CIDR) and domains that workflows may reach by HTTP.")
    ] = ()
    package_index: Annotated[
        Url | None, doc("A Python index that plugins install from (PEP 503); null: what their packages carry.")
    ] = None
    plugin_key: Annotated[
        Text | None, doc("A PEM file: the public key of packages that you signed; verification stays on.")
    ] = None
    environment: Annotated[
        Mapping[str, str],
        doc("More variables for Dify's services, which go before ours; a secret as `${env:NAME}` or `${file:PATH}`."),
    ] = msgspec.field(default_factory=dict)

    @property
    def public_port(self) -> int:
        """The port of this machine that Compose publishes it on."""
        return self.port or (443 if self.tls else 80)
