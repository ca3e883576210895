"""`freehold rollout shadow`: what comparing a route with its shadow has shown."""

import os
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.output import EPILOG, Output
from freehold.cli.proof_page import write_page
from freehold.cli.shadow_page import shadow_page
from freehold.cli.shadow_text import data_of, lines_of
from freehold.config import home
from freehold.gateway.shadows.shadow_report import FOLDER, load


def add_to(app: typer.Typer) -> None:
    """Hang the verb into `freehold rollout`."""
    app.command(epilog=EPILOG)(shadow)


def shadow(
    ctx: typer.Context,
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="The name of a route that has a shadow.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also draw it as a page of its own.")
    ] = None,
) -> None:
    """Show how a shadow's answers differ from those that clients got, and how fast both were.

    Requests are named by their ids; what was asked and answered is kept nowhere.
    """
    output: Output = ctx.obj
    report = load(home(os.environ) / FOLDER, route)
    if html is not None:
        write_page(html, shadow_page(report, output.language))
    output.show(data_of(report), "\n".join(lines_of(report)))
