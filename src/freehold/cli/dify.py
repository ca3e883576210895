"""`freehold dify`: what is done with a Dify, each verb in a file of its own."""

import typer

from freehold.cli import dify_official
from freehold.cli.dify_backup import backup
from freehold.cli.dify_check import check
from freehold.cli.dify_connect import connect
from freehold.cli.dify_restore import restore
from freehold.cli.dify_secrets import secrets
from freehold.cli.dify_upgrade import upgrade
from freehold.cli.output import EPILOG

app = typer.Typer(callback=lambda: None)  # a group, also while it has one verb
for _verb in (connect, check, backup, restore, upgrade, secrets):
    app.command(epilog=EPILOG)(_verb)
dify_official.add_to(app)
