"""`freehold dify connect`: the models of a configuration put into a Dify, or printed for people without access."""

import os
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.audited import audited
from freehold.cli.output import Output
from freehold.cli.rendered import Configuration
from freehold.config import load
from freehold.config.load import file_of
from freehold.errors import FreeholdError


def connect(
    ctx: typer.Context,
    config: Configuration = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print each model's form to fill in by hand; Dify is not asked.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove older spaces of our embedding models that nothing uses.")
    ] = False,
    plugin: Annotated[
        Path | None, typer.Option(metavar="FILE.difypkg", help="Install this provider plugin where it is missing.")
    ] = None,
    models_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Our server as Dify reaches it; default: `dify.models_url`.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Our server as this machine reaches it; default: the same.")
    ] = None,
    wait: Annotated[int, typer.Option(min=0, metavar="SECONDS", help="How long Dify may take to be ready.")] = 300,
) -> None:
    """Put every model of a configuration into Dify, and prove it.

    Each is called by Dify before it is added or updated; at the end a chat and a search go through Dify. Running it
    again changes only what differs. A model that an app or a knowledge base uses is never removed.
    """
    from freehold.cli.dify_connection import Connection, Terms
    from freehold.machine import docker_bridge

    output: Output = ctx.obj
    given = load(config, os.environ, Path.cwd())
    if not given.models:
        raise FreeholdError("config_no_model", folder=Path.cwd())
    bridge = docker_bridge()
    terms = Terms(models_url, server, prune, float(wait))
    connection = Connection.of(given, terms, bridge.address if bridge else None, socket.gethostname(), output)
    if only_print:
        connection.show_forms(os.environ)
        return
    if given.dify is None:
        raise FreeholdError("dify_unconfigured", origin=file_of(config, os.environ, Path.cwd()) or config)
    package = None if plugin is None else _package(plugin)
    models = ", ".join(model.id for model in given.models)
    with nullcontext() if plan else audited("dify.connect", "", given.access, models=models):
        connection.make(given.dify, os.environ, package, only_plan=plan)


def _package(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FreeholdError("dify_plugin_unreadable", path=path, reason=error.strerror or str(error)) from None
