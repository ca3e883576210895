"""Waits until a running server serves by a configuration file."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from freehold.cli.ps import Server
from freehold.errors import FreeholdError
from freehold.server.health import Readiness

LOOK_S = 0.1
NOTICE_S = 10.0
"""How long a server that reads the file takes at most to have read it: it looks ten times a second."""


def applied(file: Path, url: str, key: str, wait_s: float) -> Readiness:
    """What the server at `url` says once `file` is in force there and its models are loaded or have failed.

    The file is touched, so that one which was refused is read again: what it lacked may be there by now. Where that is
    not allowed, or the server reads a copy, it has NOTICE_S. Raises FreeholdError `config_not_taken`, `server_absent`,
    `server_foreign`.
    """
    server = Server.at(url, key)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with suppress(OSError):
        os.utime(file)
    written = file.stat().st_mtime_ns
    begun = time.monotonic()
    while True:
        readiness = server.readiness()
        waited = time.monotonic() - begun
        if readiness.configuration != digest:
            if readiness.read == written or waited > NOTICE_S:
                told = "; ".join(trouble.cause for trouble in readiness.troubles) or "it serves by another file."
                raise FreeholdError("config_not_taken", url=url, file=file, reason=told)
        elif not readiness.changing or waited > wait_s:
            return readiness
        time.sleep(LOOK_S)
