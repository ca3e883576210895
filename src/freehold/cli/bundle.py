"""`freehold bundle`: all that a closed network needs of the open one, made, checked and loaded."""

import typer

from freehold.cli import bundle_plugin
from freehold.cli.bundle_create import create
from freehold.cli.bundle_load import load
from freehold.cli.bundle_verify import verify
from freehold.cli.output import EPILOG

app = typer.Typer()
for _verb in (create, verify, load):
    app.command(epilog=EPILOG)(_verb)
bundle_plugin.add_to(app)
