"""README.md beside the rendered files: what is to be done by hand, and what these files leave open."""

from collections.abc import Iterator
from shlex import quote

from freehold.config.labels import GATEWAY
from freehold.config.notes import keeps_nothing
from freehold.config.secret import parts
from freehold.deploy.kubernetes.entrance import tls_secret
from freehold.deploy.kubernetes.naming import DEPLOYER, SECRET_KEY, namespace_of, secret_of
from freehold.deploy.kubernetes.network import POSTGRESQL
from freehold.deploy.kubernetes.scaling import adapter_rules, follows
from freehold.deploy.kubernetes.storage import LOADER, is_made
from freehold.deploy.kubernetes.tenancy import secrets_of
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.secret_commands import command_for
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.units import FILE

_TEXT = """\
# {name} in the namespace {namespace}

Made by `freehold render kubernetes`. `freehold deploy` does the same by itself, and changes versions without a lost
request.

## Once, as an administrator

```
kubectl apply -f namespace.yaml
```

Whoever deploys needs only the role {deployer}, and CI a token for it:

```
kubectl -n {namespace} create token {deployer}
```

## Secrets

No file here holds one. Each line makes one from what is set or lies on this machine:

```
{secrets}
```

{storage}## Apply, look

```
kubectl apply --kustomize . --server-side
kubectl -n {namespace} get pods
```

{keys}{notes}"""
_OWN_KEY = """\
## Keys

The deployment's own key, an operator's without limits, which its secret was made with:

```
{command}
```

"""
_KEYS = """\
Each program gets one of its own:

```
kubectl -n {namespace} exec deploy/{gateway} -- freehold keys create --config {file} --name NAME --role client
```

"""
_STORAGE = """\
## Model files

```
kubectl apply -f storage.yaml -f model-loader.yaml
kubectl -n {namespace} wait --for=condition=Ready pod/{loader}
kubectl -n {namespace} cp ./models/. {loader}:{path}
kubectl -n {namespace} delete pod {loader}
```

"""


def readme(deployment: Deployment) -> str:
    """The text, in Markdown."""
    settings, namespace = deployment.settings, namespace_of(deployment)
    filled = _STORAGE.format(namespace=namespace, loader=LOADER, path=settings.storage.path)
    return _TEXT.format(
        name=deployment.name,
        namespace=namespace,
        deployer=DEPLOYER,
        secrets="\n".join(_secrets(deployment, namespace)),
        storage=filled if is_made(settings.storage) else "",
        keys="".join(_keys(deployment)),
        notes="".join(f"- {note}\n" for note in _notes(deployment)),
    )


def key_command(deployment: Deployment) -> str:
    """What shows the key that the deployment made."""
    secret = f"kubectl -n {namespace_of(deployment)} get secret {secret_of(ACCESS)}"
    return f"{secret} --output jsonpath={{.data.{SECRET_KEY}}} | base64 --decode"


def _keys(deployment: Deployment) -> Iterator[str]:
    """The key that there is, and how others are made: not where they would be one copy's, and end with it."""
    if ACCESS in deployment.gateway.secrets:
        yield _OWN_KEY.format(command=key_command(deployment))
    if deployment.config.access.auth == "keys" and not keeps_nothing(deployment.config):
        yield _KEYS.format(namespace=namespace_of(deployment), gateway=GATEWAY, file=FILE)


def _secrets(deployment: Deployment, namespace: str) -> Iterator[str]:
    for secret in secrets_of(deployment):
        made = f"kubectl -n {namespace} create secret generic {secret_of(secret)} --from-file={SECRET_KEY}="
        kind, name = parts(secret.origin)
        # never as a word: a command line is seen by everyone on a machine
        yield f"{made}{quote(name)}" if kind == "file" else f"{command_for(secret)} | {made}/dev/stdin"
    for name in deployment.settings.pull_secrets:
        yield (
            f"kubectl -n {namespace} create secret generic {name} --type=kubernetes.io/dockerconfigjson"
            " --from-file=.dockerconfigjson=$HOME/.docker/config.json"
        )
    ingress = deployment.settings.ingress
    if ingress is not None and tls_secret(ingress) and not ingress.issuer:
        yield f"kubectl -n {namespace} create secret tls {tls_secret(ingress)} --cert=FILE --key=FILE"


def _notes(deployment: Deployment) -> Iterator[str]:
    """What the cluster must have for it to work as it is written, and what was chosen in its place."""
    settings = deployment.settings
    host = f"{GATEWAY}.{namespace_of(deployment)}.svc"
    scheme = "https" if deployment.gateway.https else "http"
    yield f"Within the cluster the gateway is {scheme}://{host}:{deployment.gateway.port}."
    if settings.ingress is not None:
        if tls_secret(settings.ingress):
            yield f"Outside it is https://{settings.ingress.host}; plain HTTP is sent there."
        else:
            yield (
                f"Outside it is http://{settings.ingress.host}, and keys cross the network readable: set"
                " deploy.ingress.issuer or .secret, unless something in front of the ingress does HTTPS."
            )
    if keeps_nothing(deployment.config):
        yield (
            "Without `access.database`, a PostgreSQL, each copy of the gateway has keys, limits, usage and audit of its"
            " own, and they end with its pod. The deployment's own key counts at all of them."
        )
    elif deployment.config.access.database is not None:
        yield f"The gateway reaches its database at port {POSTGRESQL}; for another one add a NetworkPolicy of yours."
    if adapter_rules(deployment):
        yield (
            "Copies follow the queue by metrics of prometheus-adapter: merge prometheus-adapter.yaml into its"
            " configuration. Without it an autoscaler does nothing."
        )
    for unit in deployment.units:
        if follows(unit) == "cpu" and unit.scale.by == "queue":
            yield f"{unit.name} follows the use of its cores: nothing is known of the queue of its server."
        elif follows(unit) == "cpu":
            yield f"{unit.name} follows the use of its cores, which says little of how many requests wait."
    if not settings.monitoring.operator:
        yield (
            f"Pods carry the annotations prometheus.io/*. A Prometheus in the namespace {settings.monitoring.namespace}"
            " that scrapes by them must present a key: that of the secret freehold-internal for the models."
        )
    if deployment.config.dify is not None and deployment.config.dify.version is not None:
        yield "Dify is told of in dify/README.md. Its secrets are made before anything is applied, too."
    yield "The wall between namespaces needs a network plugin that keeps NetworkPolicies (Calico, Cilium and others)."
