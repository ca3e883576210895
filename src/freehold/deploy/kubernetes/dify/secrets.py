"""The Secrets of a Dify in its namespace: one with all that it made, and one for each of the user's own."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from lightkube.resources.core_v1 import PersistentVolumeClaim, Secret

from freehold.config.secret import parts, resolve, resolve_file
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.environment import dify_secrets, given_secrets, is_encoded
from freehold.deploy.kubernetes.dify.naming import SECRETS, host_of, of_dify
from freehold.deploy.kubernetes.naming import VERSION, secret_of
from freehold.deploy.kubernetes.secret_objects import write_secrets
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.facts import CA
from freehold.deploy.topology.secrets import check_private, made
from freehold.deploy.topology.service import Installation
from freehold.deploy.topology.trust import joined
from freehold.errors import FreeholdError


def write_dify_secrets(api: Api, deployment: Deployment, dify: Installation, environ: Mapping[str, str]) -> None:
    """All that its services read. What was made once stays, and what a newer version needs beside it is added.

    Raises FreeholdError `dify_secrets_lost` where volumes are there and the Secret is not, `dify_public_default`,
    `cluster_secret_missing`, and what `resolve` raises.
    """
    values = given_values(dify, environ)
    there = read_made(api)
    if not there:
        _check_empty(api, dify)
    wanted = made(dify, there)
    write_secrets(api, deployment, values)
    lacking = {name: _coded(value) for name, value in wanted.items() if name not in there}
    if not lacking:
        return
    tree = of_dify(deployment, dify, "v1", "Secret", SECRETS, type="Opaque", data=lacking)
    if not api.create(tree):
        api.merge(Secret, SECRETS, {"data": lacking})


def check_dify_secrets(api: Api, dify: Installation, environ: Mapping[str, str]) -> None:
    """Whether `write_dify_secrets` would do. Raises as that does, and changes nothing."""
    for secret, value in given_values(dify, environ).items():
        if value is None and api.find(Secret, secret_of(secret)) is None:
            name, namespace = secret_of(secret), api.namespace
            raise FreeholdError("cluster_secret_missing", name=name, origin=secret.origin, namespace=namespace)
    if not read_made(api):
        _check_empty(api, dify)


def states_of_secrets(api: Api, dify: Installation) -> Mapping[str, str]:
    """By the host of a service that reads some of the user's own, of which state they are: a pod reads them once."""
    found = {secret: api.find(Secret, secret_of(secret)) for secret in dify_secrets(dify)}
    states = {
        secret: f"{one.metadata.name}:{one.metadata.resourceVersion}"
        for secret, one in found.items()
        if one is not None and one.metadata is not None
    }
    read = {host_of(one.name): dify_secrets(replace(dify, services=(one,))) for one in dify.services}
    return {host: " ".join(states[one] for one in some if one in states) for host, some in read.items() if some}


def version_of(api: Api) -> str | None:
    """The release that the data is of, as the Secret without which nobody reads it says; None where there is none."""
    found = api.find(Secret, SECRETS)
    labels = (found.metadata.labels if found is not None and found.metadata else None) or {}
    return labels.get(VERSION)


def write_version(api: Api, dify: Installation) -> None:
    """The data is of this release from now on."""
    if version_of(api) != dify.version:
        api.merge(Secret, SECRETS, {"metadata": {"labels": {VERSION: dify.version}}})


def read_made(api: Api) -> Mapping[str, str]:
    """What a Dify's deployment made, by name; nothing where there is none."""
    found = api.find(Secret, SECRETS)
    data = (found.data or {}) if found is not None else {}
    return {name: base64.b64decode(text).decode("ascii") for name, text in data.items()}


def given_values(dify: Installation, environ: Mapping[str, str]) -> Mapping[SecretFile, bytes | None]:
    """The user's own: what each is, None for one that cannot be had here. Raises as `write_dify_secrets`."""
    variables = given_secrets(dify)
    values = {secret: _value(secret, secret in variables, environ) for secret in dify_secrets(dify)}
    texts = {secret.origin: value.decode() for secret, value in values.items() if value and secret in variables}
    check_private(texts, dify.version)
    return values


def _value(secret: SecretFile, is_variable: bool, environ: Mapping[str, str]) -> bytes | None:
    """A variable without the white space around it, percent-encoded where it stands in an address. A file as it
    is, but for an own CA, which comes behind those that this machine has."""
    try:
        if not is_variable:
            data = resolve_file(secret.origin, environ)
            return joined(data, parts(secret.origin)[1]) if secret.name == CA else data
        text = resolve(secret.origin, environ)
    except FreeholdError as error:
        if error.code != "secret_missing":
            raise
        return None
    return (quote(text, safe="") if is_encoded(secret) else text).encode()


def _check_empty(api: Api, dify: Installation) -> None:
    """Databases that are there were made with other secrets than those that would be made now."""
    for service in dify.services:
        for volume in service.volumes if service.stateful else ():
            claim = host_of(volume.name)
            if api.find(PersistentVolumeClaim, claim) is not None:
                raise FreeholdError(
                    "dify_secrets_lost",
                    secrets=f"The Secret {SECRETS} of the namespace {api.namespace}",
                    volume=f"the volume {claim}",
                    removal=f"kubectl -n {api.namespace} delete pvc {claim}",
                )


def _coded(value: str) -> str:
    return base64.b64encode(value.encode()).decode("ascii")
