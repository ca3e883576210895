"""One change of a deployment at a time, and who makes it.

The kernel holds the lock (`flock`) and drops it with the process, so that a killed one blocks nobody. What is written
in the file says who holds it; where a name of another machine was left there, over a shared disk, nobody here can tell
whether that process lives: a person decides.
"""

import os
import pwd
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from freehold.errors import FreeholdError
from freehold.store.locks import take


class Holder(msgspec.Struct, frozen=True):
    """Who changes a deployment. `since`: wall clock, seconds; `what` as it was typed: `deploy`, `rollback`."""

    user: str
    host: str
    pid: int
    since: float
    what: str

    @classmethod
    def here(cls, what: str, now: float) -> "Holder":
        """This process."""
        return cls(user_here(), socket.gethostname(), os.getpid(), now, what)

    @property
    def name(self) -> str:
        """user@host."""
        return f"{self.user}@{self.host}"


@contextmanager
def held(path: Path, what: str, wall: Callable[[], float] = time.time) -> Iterator[Holder]:
    """Change the deployment alone.

    Raises `deploy_busy` and `deploy_held_elsewhere`, which name the holder, and `releases_unwritable`.

    What a process of this machine left there that died is taken over.
    """
    mine = Holder.here(what, wall())
    try:
        # one by one: `parents=True` leaves the mode of those above to the umask
        for folder in reversed([one for one in path.parents if not one.exists()]):
            folder.mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FreeholdError("releases_unwritable", path=path.parent, reason=reason) from None
    try:
        alone = take(descriptor)
        other = _read(descriptor)
        if not alone or (other is not None and other.host != mine.host):
            raise _refusal(other, path, is_here=not alone)
        try:
            _write(descriptor, msgspec.json.encode(mine))
        except OSError as error:  # a full disk
            raise FreeholdError("releases_unwritable", path=path.parent, reason=error.strerror or str(error)) from None
        try:
            yield mine
        finally:
            _write(descriptor, b"")
    finally:
        os.close(descriptor)


def user_here() -> str:
    """The name of this process's user, its number where it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def when(moment: float) -> str:
    """A wall clock's moment for people, `2026-03-01 12:00:00 UTC`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _refusal(other: Holder | None, path: Path, *, is_here: bool) -> FreeholdError:
    if other is None:  # it holds the file and has not written its name yet
        return FreeholdError("deploy_busy", user="?", pid="?", what="?", since="?")
    since = when(other.since)
    if is_here:
        return FreeholdError("deploy_busy", user=other.user, pid=other.pid, what=other.what, since=since)
    told = {"user": other.user, "host": other.host, "pid": other.pid, "what": other.what, "since": since}
    return FreeholdError("deploy_held_elsewhere", path=path, **told)


def _read(descriptor: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
    except msgspec.DecodeError:
        return None


def _write(descriptor: int, data: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)
