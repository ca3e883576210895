"""What is to be done by hand with the files of a deployment, beside them."""

import re
from collections.abc import Iterator
from shlex import quote

from freehold.deploy.compose.layout import SECRETS, secret_path, secrets_of, state_folders, units_of
from freehold.deploy.units import Deployment, SecretFile

_TEXT = """\
# {name}

Made by `freehold render compose`. `freehold deploy` does all of this by itself, and changes versions without a lost
request. By hand, in this folder:

## Once

Services read their keys from files here, and write below the folders that are made here. Nobody but you and root
passes the folder that they lie in, so the files in it can be open to the users of the containers.

```
{steps}
```

## Start, look, stop

```
docker compose -p {name} up -d
docker compose -p {name} ps
docker compose -p {name} down
```

With docker-compose 1.29 write `docker-compose` for `docker compose`. A service is `healthy` once its models have
answered what was recorded with them. The gateway listens on {host}:{port}.
"""


def readme(deployment: Deployment) -> str:
    """README.md: the folders and files to make, and the commands."""
    units = units_of(deployment)
    folders = " ".join(quote(folder) for folder in state_folders(units))
    secrets = secrets_of(units)
    steps = [*(line for secret in secrets for line in _written(secret))]
    if secrets:
        steps = [f"install -d -m 0700 {SECRETS}", *steps, f"chmod 0444 {SECRETS}/*"]
    if folders:
        steps.append(f"install -d -m 0777 {folders}")
    settings = deployment.settings
    return _TEXT.format(name=deployment.name, steps="\n".join(steps), host=settings.host, port=settings.port)


def _written(secret: SecretFile) -> Iterator[str]:
    path = quote(secret_path(secret))
    plain = quote(secret_path(SecretFile(secret.name)))
    reference = re.fullmatch(r"\$\{(env|file):(.*)\}", secret.origin)
    if secret.variable:
        where = f'"$(cat {plain})"'
        yield f"""printf "{secret.variable}='%s'\\n" {where} > {path}"""
    elif reference is None:
        yield f"openssl rand -hex 32 > {path}"
    elif reference[1] == "env":
        yield f'printf %s "${reference[2]}" > {path}'
    else:
        yield f"cp {quote(reference[2])} {path}"
