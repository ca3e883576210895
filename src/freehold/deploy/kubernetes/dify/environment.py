"""The variables of a service: what is plain lies in a ConfigMap, what is secret is read from Secrets.

A value with a secret inside, `redis://:PASSWORD@redis:6379/1`, is put together by the kubelet, which replaces `$(NAME)`
by a variable that stands before it: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import re
from dataclasses import replace

from freehold.deploy.kubernetes.dify.naming import SECRETS, host_of
from freehold.deploy.kubernetes.naming import SECRET_KEY, Tree, secret_of
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.service import Installation, Service

_PART = "FREEHOLD_PART_"
"""Begins the names of variables that are only parts of others."""
_ENCODED = "-url"
_SECRET = re.compile(r"\{([A-Za-z0-9_]+)(:url)?\}")
"""In a text of `Service.secrets`; the second one stands in an address."""


def plain_name(service: Service) -> str:
    """The ConfigMap with what is not secret."""
    return f"{host_of(service.name)}-environment"


def secret_variables(dify: Installation, service: Service) -> list[Tree]:
    """Every variable with a secret in it, parts before what is made of them."""
    parts: dict[str, Tree] = {}
    made: list[Tree] = []
    for variable, text in sorted(service.secrets.items()):
        if whole := _SECRET.fullmatch(text):
            made.append(_read(dify, variable, whole))
            continue
        value, end = "", 0
        for found in _SECRET.finditer(text):
            part = _PART + found[1].upper() + ("_URL" if found[2] else "")
            parts[part] = _read(dify, part, found)
            value += f"{_literal(text[end : found.start()])}$({part})"
            end = found.end()
        made.append({"name": variable, "value": value + _literal(text[end:])})
    return [parts[part] for part in sorted(parts)] + made


def given_secrets(dify: Installation) -> tuple[SecretFile, ...]:
    """The user's own secrets that variables read, each once; those that stand in an address by `encoded`."""
    texts = (text for service in dify.services for text in service.secrets.values())
    fields = {(found[1], bool(found[2])) for text in texts for found in _SECRET.finditer(text)}
    given = ((dify.given[name], is_encoded) for name, is_encoded in sorted(fields) if name in dify.given)
    return tuple(encoded(secret) if is_encoded else secret for secret, is_encoded in given)


def dify_secrets(dify: Installation) -> tuple[SecretFile, ...]:
    """All of the user's own that its services read, variables and files, each once."""
    files = (file for service in dify.services for _, file in sorted(service.secret_files.items()))
    return tuple(dict.fromkeys((*given_secrets(dify), *files)))


def encoded(secret: SecretFile) -> SecretFile:
    """A secret of the user's own as it stands in an address, percent-encoded: a Secret of its own."""
    return replace(secret, name=f"{secret.name}{_ENCODED}")


def is_encoded(secret: SecretFile) -> bool:
    """Whether it is one of these."""
    return secret.name.endswith(_ENCODED)


def _read(dify: Installation, variable: str, found: re.Match[str]) -> Tree:
    """A variable that is a secret: one that the deployment made, of letters and digits, or one of the user's own."""
    given = dify.given.get(found[1])
    if given is None:
        place = {"name": SECRETS, "key": found[1]}
    else:
        place = {"name": secret_of(encoded(given) if found[2] else given), "key": SECRET_KEY}
    return {"name": variable, "valueFrom": {"secretKeyRef": place}}


def _literal(text: str) -> str:
    """`$(NAME)` would be replaced by the kubelet."""
    return text.replace("$(", "$$(")
