"""What a release's texts ask of the configuration: its features, and by name what stands for `${name}`."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from freehold.config import Config
from freehold.config.deploying import Deploy
from freehold.config.dify import Dify
from freehold.deploy.services.secret_files import path
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.nginx import nginx_conf
from freehold.deploy.topology.release import Release
from freehold.deploy.topology.squid import divided, squid_conf

CA, PLUGIN_KEY, TLS_CERTIFICATE, TLS_KEY = "dify-ca", "dify-plugin-key", "dify-tls-certificate", "dify-tls-key"
"""Names of files below /run/secrets."""
HostOf = Callable[[str], str]
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on
"""By an address that stands for all of a machine, the one by which it reaches itself."""


def features(config: Config, dify: Dify) -> frozenset[str]:
    """The words of `when` that hold: `compose` or `kubernetes`, the databases that are containers, and so on."""
    vectors = dify.vectors
    said = {
        (config.deploy or Deploy()).target: True,
        "postgres": dify.postgres is None,
        "redis": dify.redis is None,
        vectors.kind: vectors.endpoint is None,
        f"vectors-{vectors.kind}": True,
        "files": dify.storage is None,
        "objects": dify.storage is not None,
        "index": dify.package_index is not None,
        "plugin-key": dify.plugin_key is not None,
        "own-ca": config.network.ca is not None,
    }
    return frozenset(name for name, holds in said.items() if holds)


def secret_files(config: Config, dify: Dify) -> Mapping[str, SecretFile]:
    """By their names in the release, the files of the user's that services read below /run/secrets."""
    files = {
        "ca": config.network.ca,
        "plugin-key": dify.plugin_key,
        "tls-certificate": dify.tls.certificate if dify.tls else None,
        "tls-key": dify.tls.key if dify.tls else None,
    }
    return {name: SecretFile(f"dify-{name}", f"${{file:{file}}}") for name, file in files.items() if file is not None}


def address(config: Config, dify: Dify) -> str:
    """Dify as browsers reach it, without a slash at the end."""
    if dify.address is not None:
        return dify.address.rstrip("/")
    settings = config.deploy or Deploy()
    if settings.target == "kubernetes":
        ingress = settings.ingress
        is_https = ingress is not None and (ingress.issuer or ingress.secret) is not None
        return f"{'https' if is_https else 'http'}://{dify.ingress_host or 'localhost'}"
    host = EVERYWHERE.get(dify.host, dify.host)
    host = f"[{host}]" if ":" in host else host
    scheme, usual = ("https", 443) if dify.tls else ("http", 80)
    return f"{scheme}://{host}" + ("" if dify.public_port == usual else f":{dify.public_port}")


def facts(config: Config, dify: Dify, host_of: HostOf, release: Release) -> Mapping[str, str]:
    """By name what stands for `${name}` in the texts of `release`; `host_of` makes a host's name of a service's."""
    there = secret_files(config, dify)
    own = address(config, dify)
    domains, addresses = divided(dify.private_hosts)
    upstreams = {name: f"{host_of(name)}:{part.port}" for name, part in release.services.items()}
    return {
        **{f"host.{name}": host_of(name) for name in release.services},
        "address": own,
        "address.socket": own.replace("http", "ws", 1),
        "index": dify.package_index or "",
        "private.addresses": ",".join(addresses),
        "private.domains": ",".join(domains),
        "ca": path(there["ca"]) if "ca" in there else "",
        "plugin_key": path(there["plugin-key"]) if "plugin-key" in there else "",
        "nginx.conf": nginx_conf(own, release.paths, upstreams, dify.tls is not None),
        "squid.conf": squid_conf(dify.private_hosts),
        **_databases(config, dify, host_of),
        **_vectors(dify, host_of),
        **_storage(dify),
    }


def _databases(config: Config, dify: Dify, host_of: HostOf) -> Mapping[str, str]:
    postgres, redis = dify.postgres, dify.redis
    is_tls = redis is not None and redis.tls
    return {
        "postgres.host": postgres.host if postgres else host_of("db_postgres"),
        "postgres.port": str(postgres.port if postgres else 5432),
        "postgres.user": postgres.user if postgres else "postgres",
        "postgres.database": postgres.database if postgres else "dify",
        "postgres.plugin_database": postgres.plugin_database if postgres else "dify_plugin",
        "postgres.tls": postgres.tls if postgres else "disable",
        "postgres.extras": f"sslmode={postgres.tls}" if postgres else "",
        "redis.host": redis.host if redis else host_of("redis"),
        "redis.port": str(redis.port if redis else 6379),
        "redis.user": (redis.user if redis else None) or "",
        "redis.scheme": "rediss" if is_tls else "redis",
        "redis.tls": "true" if is_tls else "false",
        "redis.certificates": "CERT_REQUIRED" if is_tls else "CERT_NONE",
    }


def _vectors(dify: Dify, host_of: HostOf) -> Mapping[str, str]:
    """pgvector has a host and a port; Weaviate and Qdrant an address, and Weaviate gRPC beside it."""
    vectors = dify.vectors
    if vectors.kind == "pgvector":
        host, _, port = (vectors.endpoint or f"{host_of('pgvector')}:5432").rpartition(":")
        return {
            "vectors.host": host,
            "vectors.port": port,
            "vectors.user": vectors.user if vectors.endpoint else "postgres",
            "vectors.database": vectors.database if vectors.endpoint else "dify",
        }
    port = {"weaviate": "8080", "qdrant": "6333"}[vectors.kind]
    url = (vectors.endpoint or f"http://{host_of(vectors.kind)}:{port}").rstrip("/")
    place = urlsplit(url)
    scheme = "grpcs" if place.scheme == "https" else "grpc"
    return {"vectors.url": url, "vectors.grpc": f"{scheme}://{place.hostname}:50051"}


def _storage(dify: Dify) -> Mapping[str, str]:
    storage = dify.storage
    if storage is None:
        return {}
    return {
        "storage.endpoint": storage.endpoint,
        "storage.region": storage.region,
        "storage.bucket": storage.bucket,
        "storage.plugin_bucket": storage.plugin_bucket or storage.bucket,
        "storage.style": "path" if storage.path_style else "virtual",
        "storage.path_style": "true" if storage.path_style else "false",
    }
