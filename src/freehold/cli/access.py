"""The database of keys, usage and audit that a command works on."""

import getpass
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from freehold.access import Register
from freehold.access.database import Database
from freehold.access.trail import Trail
from freehold.access.witness import Witness
from freehold.config import Access, load, resolve
from freehold.config.home import home
from freehold.config.load import file_of

Config = Annotated[
    str | None,
    typer.Option(
        metavar="CONFIG",
        help="The configuration whose `access.database` is meant. Default: ./freehold.yaml, ./config.yaml if there is"
        " one; without any, the keys under FREEHOLD_HOME.",
    ),
]


def database_url(access: Access, environ: Mapping[str, str]) -> str | None:
    """What `access.database` refers to, read now; None where it names none. Raises `secret_missing` and its like."""
    return None if access.database is None else resolve(access.database, environ)


@contextmanager
def database_of(config: str | None, environ: Mapping[str, str], cwd: Path) -> Iterator[Database]:
    """The database that `config` names, else the file of the folder, else the one under FREEHOLD_HOME."""
    has_config = config is not None or file_of(None, environ, cwd) is not None
    url = database_url(load(config, environ, cwd).access, environ) if has_config else None
    database = Database.open(home(environ), url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def register_of(config: str | None, environ: Mapping[str, str], cwd: Path) -> Iterator[Register]:
    """The register of keys in that database; what is changed there, the audit says of this person."""
    with database_of(config, environ, cwd) as database:
        trail = Trail(database, node(), Witness.of(database, home(environ)))
        yield Register(database, trail=trail, who=person())


def node() -> str:
    """This machine's name, as the audit has it."""
    return platform.node()


def person() -> str:
    """Who sits at this terminal, as the audit has it."""
    try:
        return f"{getpass.getuser()}@terminal"
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"{os.getuid()}@terminal"
