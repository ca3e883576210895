"""`freehold environments`: the raw frameworks that live apart from ours, for converting their models."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from freehold.adapt import environments
from freehold.cli.output import EPILOG, Output
from freehold.cli.progress import working

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help="Which one: tensorflow.")]


@app.command(epilog=EPILOG)
def create(
    ctx: typer.Context,
    name: Name,
    base: Annotated[
        Path | None,
        typer.Option("--python", metavar="PATH", help="The Python to make it with. Default: Freehold's own."),
    ] = None,
) -> None:
    """Make an environment under FREEHOLD_HOME, from pinned versions whose hashes are compared.

    pip fetches the files, so its settings count: PIP_INDEX_URL, PIP_NO_INDEX and PIP_FIND_LINKS, HTTPS_PROXY. One that
    is there already is made anew. `freehold convert` finds it by itself.
    """
    output: Output = ctx.obj
    wanted = environments.framework(name)
    with working(f"Making the environment of {name}") as say:
        python = environments.create(wanted, os.environ, say, base)
    output.show({"name": name, "python": str(python)}, f"{name} is ready: {python}")


@app.command(epilog=EPILOG)
def lock(ctx: typer.Context, name: Name) -> None:
    """Print the pinned requirements of an environment, with hashes, for pip.

    On a machine with a network, `pip download --no-deps --require-hashes -r tensorflow.lock -d FOLDER` fetches all
    that a closed one needs; there, `create` takes it with PIP_NO_INDEX=1 and PIP_FIND_LINKS=FOLDER.
    """
    output: Output = ctx.obj
    text = environments.framework(name).lock.decode()
    if output.as_json:
        output.show({"name": name, "lock": text}, "")
    else:
        sys.stdout.write(text)


@app.command(epilog=EPILOG)
def show(ctx: typer.Context, name: Name) -> None:
    """Say which Python converts the models of a framework, or what is missing."""
    output: Output = ctx.obj
    python = environments.framework(name).python(os.environ) or Path(sys.executable)
    output.show({"name": name, "python": str(python)}, str(python))
