"""What a person does at this terminal stands in the audit: before it begins, and how it ended."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.access import Database
from freehold.access.act import Act
from freehold.access.audit import Audit
from freehold.access.failures import DatabaseError
from freehold.access.trail import Trail
from freehold.access.witness import Witness
from freehold.cli.access import database_url, node, person
from freehold.config import Access, load
from freehold.config.home import home
from freehold.config.load import file_of
from freehold.errors import FreeholdError
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)


@contextmanager
def audited(what: str, model: str = "", access: Access | None = None, /, **details: str | int) -> Iterator[None]:
    """Around an act; in the database of `access`, else of the configuration in this folder.

    Where that file is broken, its secrets are not known here, or its database is out of reach, the line is written
    under FREEHOLD_HOME: a rollout can be taken back all the same, and a deployment made whose database is a part of it.
    Raises `audit_refused` before the act begins where the line cannot be written, unless `access.audit.when_full` is to
    go on.
    """
    try:
        access = access or _access_here()
        url = database_url(access, os.environ)
    except FreeholdError:
        access, url = access or Access(), None
    with _audit(access, url) as audit, audit.attempt(Act(what, person(), model=model, details=details)):
        yield


def note_in_audit(what: str, model: str, access: Access, **details: str | int) -> None:
    """The line of an act that is done as soon as it is written, in the database of `access`. Raises `audit_refused`."""
    with _audit(access, database_url(access, os.environ)) as audit:
        audit.write(Act(what, person(), model=model, details=details))


@contextmanager
def _audit(access: Access, url: str | None) -> Iterator[Audit]:
    trail = _trail(access, url)
    audit = Audit(trail, Telemetry(process=False), when_full=access.audit.when_full)
    try:
        yield audit
        audit.flush()
    finally:
        trail.database.close()


def _trail(access: Access, url: str | None) -> Trail:
    where = home(os.environ)
    try:
        return _opened(where, url)
    except DatabaseError as failure:
        if url is not None:
            log.warning("what is done now stands in the audit under %s: %s", where, failure)
            return _trail(access, None)
        if access.audit.when_full == "refuse":
            raise FreeholdError("audit_refused", reason=failure.cause.removesuffix(".")) from None
        log.warning("the audit cannot be written, and lacks what is done now: %s", failure)
        return Trail(Database.in_memory(), node())


def _opened(where: Path, url: str | None) -> Trail:
    database = Database.open(where, url)
    try:
        return Trail(database, node(), Witness.of(database, where))
    except BaseException:
        database.close()
        raise


def _access_here() -> Access:
    if file_of(None, os.environ, Path.cwd()) is None:
        return Access()
    return load(None, os.environ, Path.cwd()).access
