"""`freehold gateway`: routes to models that other servers compute, and nothing else."""

import os
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.node import run_node
from freehold.cli.output import Output
from freehold.cli.traffic import origin_of
from freehold.errors import FreeholdError


def gateway(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(metavar="CONFIG", help="A configuration. Default: ./freehold.yaml, ./config.yaml."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of gRPC; without one there is none. 0 takes a free one.")
    ] = None,
) -> None:
    """Pass requests on to the servers that have the models, by the routes of a configuration."""
    output: Output = ctx.obj
    origin = origin_of(source, os.environ, Path.cwd(), port)
    config = origin.load()
    if not config.models:
        raise FreeholdError("config_no_model", folder=Path.cwd())
    here = [model.id for model in config.models if model.hosting != "upstream"]
    if here:
        raise FreeholdError("gateway_model_here", models=", ".join(here))
    run_node(config, origin, output, host, port, grpc_port=grpc_port)
