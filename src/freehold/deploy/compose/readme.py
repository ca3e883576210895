"""What is to be done by hand with the files of a deployment, beside them."""

import posixpath
from shlex import quote

from freehold.deploy.compose.layout import SECRETS, secret_path, secrets_of, state_folders, units_of
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.secret_commands import command_for
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.units import FILE as UNIT_FILE
from freehold.deploy.topology.service import Installation

_TEXT = """\
# {name}

Made by `freehold render compose`. `freehold deploy` does all of this by itself, and changes versions without a lost
request. By hand, in this folder:

## Once

```
{steps}
```

Services read their keys from these files, and write below these folders, each with the user of its container. Only you
and root pass the folders around them.

## Start, look, stop

```
docker compose -p {name} up -d
docker compose -p {name} ps
docker compose -p {name} down
```

{dify}With docker-compose 1.29 write `docker-compose` for `docker compose`. A service is `healthy` once its models have
answered what was recorded with them. The gateway listens on {host}:{port}.
{keys}"""

_KEYS = """\

## Keys

{own}Each program gets a key of its own:

```
docker compose -p {name} exec gateway freehold keys create --config {file} --name NAME --role client
```
"""

_DIFY = """\
Dify {version} starts with it, on {address}. Its databases migrate first (`migration`); then it is ready. Volumes are
called `{name}-dify-...`, whatever folder this is done in. `dify/secrets.json` is made once and kept: without it nothing
in those volumes can be read. The first visit asks for its `init_password`, and makes the administrator. `freehold dify
connect --print` has the form of each model; API Key is what `secrets/access` holds.

"""


def readme(deployment: Deployment, dify: Installation | None = None) -> str:
    """README.md: the folders and files to make, and the commands; `dify` where one is deployed."""
    settings, units = deployment.settings, units_of(deployment)
    is_made = ACCESS in deployment.gateway.secrets
    own = f"`{secret_path(ACCESS)}` holds the deployment's own key: an operator's, without limits. " if is_made else ""
    keys = _KEYS.format(own=own, name=settings.name, file=UNIT_FILE) if deployment.config.access.auth == "keys" else ""
    states = state_folders(units)
    closed = sorted({posixpath.dirname(path) for path in states})
    steps = [
        f"install -d -m 0700 {SECRETS} {' '.join(map(quote, closed))}",
        f"install -d -m 0777 {' '.join(map(quote, states))}",
        *(f"{command_for(secret)} > {quote(secret_path(secret))}" for secret in secrets_of(units)),
        f"chmod 0644 {SECRETS}/*",
        *(["freehold dify secrets --output . PATH/TO/freehold.yaml"] if dify else []),
    ]
    beside = _DIFY.format(version=dify.version, address=dify.address, name=deployment.name) if dify else ""
    shown = {"name": deployment.name, "host": settings.host, "port": settings.port}
    return _TEXT.format(**shown, steps="\n".join(steps), keys=keys, dify=beside)
