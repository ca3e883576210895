"""`freehold dify secrets`: the secrets of a Dify that is started by hand; `freehold deploy` makes them by itself."""

import os
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.output import Output
from freehold.cli.rendered import Configuration
from freehold.config import load
from freehold.deploy.compose.dify_place import write_dify
from freehold.deploy.topology.installation import installation
from freehold.errors import FreeholdError


def secrets(
    ctx: typer.Context,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Where `freehold render compose` wrote the deployment."),
    ],
    config: Configuration = None,
) -> None:
    """Make the secrets of a Dify that is started by hand.

    They go beside its rendered files; what was made before stays. None is printed. They lie in dify/secrets.json,
    for you alone: keep a copy in a safe place.
    """
    given = load(config, os.environ, Path.cwd())
    found = installation(given)
    if found is None:
        raise FreeholdError("dify_none_deployed")
    if given.deploy is not None and given.deploy.target == "kubernetes":
        raise FreeholdError("dify_secrets_cluster")
    paths = write_dify(output, found, os.environ)
    shown: Output = ctx.obj
    shown.show({"folder": str(output), "files": list(paths)}, "\n".join(str(output / path) for path in paths))
