"""Secrets of a deployment as objects of its namespace; their values go from here to the API server and nowhere else."""

import base64
import secrets
from collections.abc import Iterable, Mapping

from lightkube.resources.core_v1 import Secret

from freehold.config.secret import resolve_file
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.naming import SECRET_KEY, Tree, of_deployment, secret_of
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile, Unit
from freehold.errors import FreeholdError


def secret_values(units: Iterable[Unit], environ: Mapping[str, str]) -> Mapping[SecretFile, bytes | None]:
    """The secrets of `units`, each once: what it is, None for one that is made, or that cannot be had here.

    Raises `secret_malformed` and `secret_unreadable`.
    """
    every = {secret for unit in units for secret in unit.secrets}
    return {secret: _value(secret, environ) for secret in sorted(every, key=lambda secret: secret.name)}


def write_secrets(api: Api, deployment: Deployment, values: Mapping[SecretFile, bytes | None]) -> None:
    """Each into its object. One that the deployment makes itself is made once and stays; one that cannot be had here
    must be there already. Raises `cluster_secret_missing`."""
    for secret, value in values.items():
        if value is not None:
            api.apply(_object(deployment, secret, value))
        elif not secret.origin:
            api.create(_object(deployment, secret, secrets.token_hex(32).encode("ascii")))
        elif api.find(Secret, secret_of(secret)) is None:
            raise FreeholdError(
                "cluster_secret_missing", name=secret_of(secret), origin=secret.origin, namespace=api.namespace
            )


def read_secret(api: Api, name: str) -> str | None:
    """What a Secret of ours holds, None where there is none."""
    found = api.find(Secret, name)
    value = (found.data or {}).get(SECRET_KEY) if found is not None else None
    return base64.b64decode(value).decode("ascii").strip() if value else None


def _object(deployment: Deployment, secret: SecretFile, value: bytes) -> Tree:
    data = {SECRET_KEY: base64.b64encode(value).decode("ascii")}
    return of_deployment(deployment, "v1", "Secret", secret_of(secret), type="Opaque", data=data)


def _value(secret: SecretFile, environ: Mapping[str, str]) -> bytes | None:
    """None where it is made, and where it is not here: then it may be in the cluster."""
    try:
        return resolve_file(secret.origin, environ) if secret.origin else None
    except FreeholdError as error:
        if error.code != "secret_missing":
            raise
        return None
