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
app.command(epilog=EPILOG)(check)
app.command(epilog=EPILOG)(connect)
app.command(epilog=EPILOG)(secrets)
app.command(epilog=EPILOG)(backup)
app.command(epilog=EPILOG)(restore)
dify_official.add_to(app)
app.command(epilog=EPILOG)(upgrade)
