"""`freehold dify`: what is done with a Dify, each verb in a file of its own."""

import typer

from freehold.cli.dify_check import check
from freehold.cli.dify_connect import connect
from freehold.cli.output import EPILOG

app = typer.Typer(callback=lambda: None)  # a group, also while it has one verb
app.command(epilog=EPILOG)(check)
app.command(epilog=EPILOG)(connect)
