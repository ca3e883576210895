"""The variables of a service: what is plain lies in a ConfigMap, what is secret is read from Secrets.

A value with a secret inside, `redis://:PASSWORD@redis:6379/1`, is put together by the kubelet, which replaces `$(NAME)`
by a variable that stands before it: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

from collections.abc import Iterator
from string import Formatter

from freehold.deploy.kubernetes.dify.naming import SECRETS, host_of
from freehold.deploy.kubernetes.naming import SECRET_KEY, Tree, secret_of
from freehold.deploy.topology.service import Installation, Service

_PART = "FREEHOLD_PART_"
"""Begins the names of variables that are only parts of others."""


def plain_name(service: Service) -> str:
    """The ConfigMap with what is not secret."""
    return f"{host_of(service.name)}-environment"


def secret_variables(dify: Installation, service: Service) -> list[Tree]:
    """Every variable with a secret in it, parts before what is made of them."""
    parts: dict[str, Tree] = {}
    made: list[Tree] = []
    for variable, template in sorted(service.secrets.items()):
        names = list(secrets_in(template))
        if template == "".join(f"{{{name}}}" for name in names[:1]):
            made.append(_read(dify, variable, names[0]))
            continue
        for name in names:
            parts[name] = _read(dify, _PART + name.upper(), name)
        value = template.format_map({name: f"$({_PART}{name.upper()})" for name in names})
        made.append({"name": variable, "value": value})
    return [parts[name] for name in sorted(parts)] + made


def secrets_in(template: str) -> Iterator[str]:
    """The names in braces, in their order."""
    return (name for _, name, _, _ in Formatter().parse(template) if name)


def _read(dify: Installation, variable: str, name: str) -> Tree:
    """A variable that is a secret: one that the deployment made, or one of the user's own."""
    given = dify.given.get(name)
    place = {"name": SECRETS, "key": name} if given is None else {"name": secret_of(given), "key": SECRET_KEY}
    return {"name": variable, "valueFrom": {"secretKeyRef": place}}
