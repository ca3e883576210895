"""dify/README.md beside the rendered files: what is to be done by hand for Dify, and what these files leave open."""

from collections.abc import Iterator
from shlex import quote

from freehold.config.dify import Dify
from freehold.config.secret import parts
from freehold.deploy.kubernetes.dify.environment import dify_secrets, given_secrets, is_encoded
from freehold.deploy.kubernetes.dify.naming import SECRETS, host_of
from freehold.deploy.kubernetes.dify.security import standard, standard_of
from freehold.deploy.kubernetes.dify.storage import shared_volumes
from freehold.deploy.kubernetes.naming import SECRET_KEY, namespace_of, secret_of
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.facts import CA
from freehold.deploy.topology.service import Installation

_TEXT = """\
# Dify {version} in the namespace {namespace}

`freehold deploy` does all of this by itself. Dify is at {address}.

## Secrets, before anything is applied

All that Dify's services share among themselves, at once; no file here holds one. This Secret is never made anew: what
is in the databases can be read only with it, so keep a copy where backups are.

```
{made}
```

{given}## Apply, look

```
kubectl apply --kustomize .. --server-side
kubectl -n {namespace} get pods --selector=app.kubernetes.io/part-of=dify
```

The order does not matter: pods that need the database wait in `migrated` until the Job has brought it to this version.
Another version or configuration is a Job of another name; the old one can be deleted.

## What is so, and why

{notes}"""
_GIVEN = """\
What is yours, each from what is set or lies on this machine:

```
{commands}
```

"""
_SYSTEM = "/etc/ssl/certs/ca-certificates.crt"
_REASONS = {
    "sandbox": "it gives each piece of code a root and a user of its own",
    "plugin_daemon": "its image runs as root, and builds environments of plugins in its volume",
}
_ROOT = "its image runs as root"

_ENCODE = 'python3 -c \'import sys, urllib.parse as p; print(p.quote(sys.stdin.read(), safe=""), end="")\' | '


def dify_readme(deployment: Deployment, dify: Installation) -> str:
    """The text, in Markdown."""
    namespace = namespace_of(deployment)
    variables = given_secrets(dify)
    commands = "\n".join(_given(namespace, secret, secret in variables) for secret in dify_secrets(dify))
    return _TEXT.format(
        version=dify.version,
        namespace=namespace,
        address=dify.address,
        made=_made(namespace, dify),
        given=_GIVEN.format(commands=commands) if commands else "",
        notes="".join(f"- {note}\n" for note in _notes(deployment, dify)),
    )


def _made(namespace: str, dify: Installation) -> str:
    """Hex digits are letters and digits; thirty of them are as many as Dify takes for its first password."""
    return (
        f"for name in {' '.join(dify.secrets)}; do\n"
        '  printf "%s=%s\\n" "$name" "$(openssl rand -hex 15)"\n'
        f"done | kubectl -n {namespace} create secret generic {SECRETS} --from-env-file=/dev/stdin"
    )


def _given(namespace: str, secret: SecretFile, is_variable: bool) -> str:
    made = f"kubectl -n {namespace} create secret generic {secret_of(secret)} --from-file={SECRET_KEY}="
    kind, name = parts(secret.origin)
    if secret.name == CA:  # who is given a file of authorities forgets its own
        return f"cat {_SYSTEM} {quote(name)} | {made}/dev/stdin"
    if kind == "file" and not is_variable:
        return f"{made}{quote(name)}"
    shown = f'printf %s "${name}"' if kind == "env" else f"tr -d '\\n' < {quote(name)}"
    return f"{shown} | {_ENCODE if is_encoded(secret) else ''}{made}/dev/stdin"


def _notes(deployment: Deployment, dify: Installation) -> Iterator[str]:
    """What the cluster must have, what was chosen, and what an Ingress cannot do."""
    config = deployment.config.dify or Dify()
    if config.ingress_host is None:
        yield (
            "Nothing outside the cluster reaches Dify: set dify.ingress_host, or lead the paths of another entrance to "
            + ", ".join(f"`{path}` {host_of(service)}:{dify.service(service).port}" for path, service in dify.paths)
            + "."
        )
    else:
        yield (
            "An Ingress sets no `Dify-Hook-Url` for endpoints of plugins below /e/: the plugin daemon makes it of the"
            " request's host, with http."
        )
    for name in shared_volumes(dify):
        yield (
            f"The claim {host_of(name)} is for several pods at once: its storage class must offer ReadWriteMany, by"
            " deploy.storage.storage_class. With dify.storage, an object store, nothing is shared and no such class is"
            " needed."
        )
    wide = [service for service in dify.services if standard_of(service) != "restricted"]
    if wide:
        reasons = ", ".join(f"{host_of(one.name)} ({_REASONS.get(one.name, _ROOT)})" for one in wide)
        yield (
            f"The namespace lets in PodSecurity `{standard(dify)}`. These do not start under `restricted`: {reasons}."
            " All others are `restricted` by themselves."
        )
    databases = ", ".join(host_of(service.name) for service in dify.services if service.stateful)
    if databases:
        yield (
            f"{databases}: a changed version or configuration is in force once its pod is deleted by hand, so that no"
            " database restarts unasked. `kubectl delete -k` would delete the claims with all data: do not."
        )
    yield (
        "Plugins, workflows and webhooks reach the internet, where there is one, and no private address but those of"
        " dify.private_hosts. Code in the sandbox reaches the proxy alone."
    )
    yield "A changed Secret is read by new pods only: `kubectl rollout restart deployment`."
    yield "The plugin daemon has one replica and a disk of its own: it does not work with two, nor on a network folder."
