"""`freehold render compose`, `kubernetes` and `systemd`: a whole deployment as files.

Nothing is started, and no secret is read: the files say where each one is to lie.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from freehold.cli.output import Output
from freehold.cli.rendered import Configuration, Folder, write_rendered

if TYPE_CHECKING:
    from freehold.deploy.services.deployment import Deployment


def compose(ctx: typer.Context, output: Folder, config: Configuration = None) -> None:
    """Write the deployment for Docker Compose: compose.yaml, what its services read, and what to do by hand."""
    from freehold.deploy.compose.render import render

    _render(ctx.obj, config, output, "compose", render)


def kubernetes(ctx: typer.Context, output: Folder, config: Configuration = None) -> None:
    """Write the deployment for Kubernetes: a kustomization for GitOps, and what to do by hand."""
    from freehold.deploy.kubernetes.rendering import render

    _render(ctx.obj, config, output, "kubernetes", render)


def systemd(
    ctx: typer.Context,
    output: Folder,
    config: Configuration = None,
    program: Annotated[
        str, typer.Option(metavar="PATH", help="Where `freehold` is installed on the machine.")
    ] = "/opt/freehold/bin/freehold",
) -> None:
    """Write the deployment for systemd, without Docker: units, what they read, and what to do by hand."""
    from freehold.deploy.systemd import render

    _render(ctx.obj, config, output, "systemd", lambda deployment: render(deployment, program))


def _render(
    output: Output,
    source: str | None,
    folder: Path,
    target: Literal["compose", "kubernetes", "systemd"],
    render: "Callable[[Deployment], Mapping[str, str]]",
) -> None:
    """Nothing is written where the configuration cannot be rendered. `target` goes before that of the configuration."""
    from freehold.cli.deployments import Given

    given = Given.read(source, os.environ, Path.cwd())
    settings = msgspec.structs.replace(given.settings, target=target)
    given = replace(given, config=msgspec.structs.replace(given.config, deploy=settings))
    write_rendered(output, folder, render(given.deployment({}, os.environ)))
