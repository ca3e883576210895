"""`freehold bundle`: all that a closed network needs of the open one, made, checked and loaded."""

import typer

from freehold.cli import bundle_plugin

app = typer.Typer()
bundle_plugin.add_to(app)
