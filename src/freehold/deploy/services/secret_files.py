"""Secrets of a configuration, and the PEM files it names, as files that a service finds below /run/secrets."""

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import PurePosixPath

from msgspec.structs import replace

from freehold.config import Config, Network, Tls
from freehold.config.secret import is_reference, parts
from freehold.deploy.services.units import SecretFile

FOLDER = "/run/secrets"
INTERNAL = SecretFile("internal")
"""The key between the gateway and the services behind it; the deployment makes it."""
ACCESS = SecretFile("access")
"""The gateway's own first key, which all its copies and the rollout know; the deployment makes it."""


def path(secret: SecretFile) -> str:
    """Where a service reads it."""
    return f"{FOLDER}/{secret.name}"


def reference(secret: SecretFile) -> str:
    """How a configuration refers to it."""
    return f"${{file:{path(secret)}}}"


def with_files(config: Config) -> tuple[Config, tuple[SecretFile, ...]]:
    """`config` as a service reads it: each secret and PEM file that it names lies below /run/secrets; and those files.

    The same secret is one file, however often it is named.
    """
    origins: dict[str, None] = {}

    def noted(origin: str) -> str:
        origins[origin] = None
        return path(INTERNAL)

    _rewritten(config, noted)
    files = {origin: SecretFile(name, origin) for origin, name in _named(origins).items()}
    return _rewritten(config, lambda origin: path(files[origin])), tuple(files.values())


def _rewritten(config: Config, place: Callable[[str], str]) -> Config:
    """`config` with `place(origin)` for the path of each file."""

    def secret(text: str | None) -> str | None:
        own = text is None or not is_reference(text) or text.startswith(f"${{file:{FOLDER}/")
        return text if own or text is None else f"${{file:{place(text)}}}"

    def pem(name: str | None) -> str | None:
        return None if name is None else place(f"${{file:{name}}}")

    def network(it: Network) -> Network:
        certificate, key = pem(it.client_certificate), pem(it.client_key)
        return Network(ca=pem(it.ca), client_certificate=certificate, client_key=key, proxy=secret(it.proxy))

    def tls(it: Tls) -> Tls:
        acme = it.acme and replace(it.acme, ca=pem(it.acme.ca))
        return replace(it, certificate=pem(it.certificate), key=pem(it.key), client_ca=pem(it.client_ca), acme=acme)

    models = tuple(
        replace(
            model,
            key=secret(model.key),
            require=replace(model.require, keys=tuple(place(f"${{file:{key}}}") for key in model.require.keys)),
        )
        for model in config.models
    )
    return replace(
        config,
        models=models,
        require=replace(config.require, keys=()),  # each model's own say all of them
        server=replace(config.server, tls=config.server.tls and tls(config.server.tls)),
        access=replace(config.access, key=secret(config.access.key), database=secret(config.access.database)),
        network=network(config.network),
    )


def _named(origins: Iterable[str]) -> dict[str, str]:
    """By origin a name that shows it: `${env:CORP_KEY}` is `corp-key`, `${file:/etc/ssl/corp.pem}` `corp-pem`.

    Names that would be the same, or that of a file the deployment makes, get a hash of where they come from.
    """
    plain = {origin: _plain(origin) for origin in origins}
    taken = [INTERNAL.name, ACCESS.name, *plain.values()]
    return {
        origin: name if taken.count(name) == 1 else f"{name}-{sha256(origin.encode()).hexdigest()[:8]}"
        for origin, name in plain.items()
    }


def _plain(origin: str) -> str:
    kind, name = parts(origin)
    name = PurePosixPath(name).name if kind == "file" else name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "secret"
