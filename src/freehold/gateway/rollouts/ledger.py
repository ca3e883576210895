"""The rollouts of one machine as files: `$FREEHOLD_HOME/rollouts/ROUTE.json`, written whole or not at all.

The command line writes what is wished, the gateway what came of it, each under one short lock. Of several gateways with
one folder a single one conducts: it holds a lock of its own, which the kernel drops with its process. The others follow
what is written.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.config.forms import ID
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.replay import LONGEST, Recorded, read_recording
from freehold.gateway.rollouts.rollout import Reason, Rollout
from freehold.store.locks import lies_at, take

PATIENCE_S = 10.0
_POLL_S = 0.02
_SUFFIX = ".json"


class Numbers(msgspec.Struct, frozen=True):
    """What one side of a step answered since the step began."""

    requests: int = 0
    errors: int = 0
    refused: int = 0
    p99_ms: float | None = None


class Progress(msgspec.Struct, frozen=True):
    """How the step at `place` of a rollout goes; kept for people, not for a restart."""

    place: tuple[float, int]
    waits: Reason | None = None
    new: Numbers = Numbers()
    old: Numbers = Numbers()


Change = Callable[[Rollout | None], Rollout]


class Ledger:
    """The rollouts under one home. Blocks: on the event loop it is called in a thread. Raises `rollouts_unwritable`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "rollouts"
        self._conducting: int | None = None
        self._known: dict[str, tuple[tuple[int, int, int], Rollout]] = {}  # by route, as the file was when it was read

    def routes(self) -> list[str]:
        """The routes that have a record: those known before where the folder cannot be read now."""
        try:
            names = [entry.name for entry in os.scandir(self.folder)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            return sorted(self._known)
        found = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
        return sorted(name for name in found if re.fullmatch(ID, name))

    def read(self, route: str) -> Rollout | None:
        """The record of `route`; None where there is none. Raises `rollout_damaged`."""
        path = self._record(route)
        signature = _signature(path)  # before it is read: at worst it is read once more
        try:
            rollout = msgspec.json.decode(path.read_bytes(), type=Rollout)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FreeholdError("rollout_damaged", path=path, reason=error) from None
        if rollout.route != route:
            raise FreeholdError("rollout_damaged", path=path, reason=f"it is about the route {rollout.route[:80]}")
        if signature is not None:
            self._known[route] = signature, rollout
        return rollout

    def all(self) -> tuple[list[Rollout], list[FreeholdError]]:
        """Every record, and what is wrong with those that cannot be read: of these, what they said before.

        Too many open files, or a record that was edited into nonsense, move no request.
        """
        found, problems = [], []
        for route in self.routes():
            try:
                rollout = self._unchanged(route) or self.read(route)
            except FreeholdError as error:
                problems.append(error)
                rollout = self._known[route][1] if route in self._known else None
            found += [rollout] if rollout is not None else []
        return found, problems

    def change(self, route: str, change: Change, recording: bytes = b"") -> Rollout:
        """Put what `change` makes of the record in its place, and `recording`, where there is one, beside it.

        Nothing is written where `change` raises. Raises `rollout_busy` and `rollouts_unwritable`.
        """
        with self._locked():
            before = self.read(route)
            after = change(before)
            if after != before:
                if recording:
                    write_durably(self._recording(route), recording)
                write_durably(self._record(route), msgspec.json.format(msgspec.json.encode(after), indent=1))
            return after

    def recording(self, route: str) -> tuple[Recorded, ...]:
        """The requests that are replayed for `route`. Raises `goldens_invalid` and `goldens_unreadable`."""
        path = self._recording(route)
        return read_recording(read_bytes(path), str(path))

    def note(self, route: str, progress: Progress) -> None:
        """Leave word of how a step goes. What a crash loses of it is measured again."""
        path = self.folder / "now" / f"{route}{_SUFFIX}"
        with _told(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}")
            aside.write_bytes(msgspec.json.encode(progress))
            aside.replace(path)

    def progress(self, rollout: Rollout) -> Progress | None:
        """The last word of how the step goes that a rollout is at."""
        try:
            data = (self.folder / "now" / f"{rollout.route}{_SUFFIX}").read_bytes()
            found = msgspec.json.decode(data, type=Progress)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return found if found.place == rollout.place and not rollout.is_over else None

    def conduct(self) -> bool:
        """Whether this process conducts: from the first time that nobody else does, until `retire`."""
        if self._conducting is not None and not lies_at(self._conducting, self.folder / "gateway.lock"):
            self.retire()  # somebody took the folder away
        if self._conducting is None:
            with _told(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._conducting = _taken(self.folder / "gateway.lock")
                if self._conducting is not None:
                    self._sweep()
        return self._conducting is not None

    def retire(self) -> None:
        """Let another process conduct."""
        if self._conducting is not None:
            os.close(self._conducting)
            self._conducting = None

    def conductor(self) -> str | None:
        """Who conducts, as `pid 4711`; None where nobody does."""
        path = self.folder / "gateway.lock"
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            return None if take(descriptor, fcntl.LOCK_SH) else _holder(path)  # shared: others may be looking, too
        finally:
            os.close(descriptor)

    def _unchanged(self, route: str) -> Rollout | None:
        """The record as it was read before, where its file is the same: settled ones stay for ever."""
        known = self._known.get(route)
        return known[1] if known is not None and known[0] == _signature(self._record(route)) else None

    def _record(self, route: str) -> Path:
        return self.folder / f"{route}{_SUFFIX}"

    def _recording(self, route: str) -> Path:
        return self.folder / "goldens" / f"{route}.jsonl"

    def _sweep(self) -> None:
        """Take away what processes that were killed had begun to write."""
        with self._locked():
            for left in (*self.folder.glob(".*.json.*"), *self.folder.glob("goldens/.*.jsonl.*")):
                left.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone, for as long as a file takes to be written."""
        path = self.folder / "lock"
        with _told(self.folder):
            (self.folder / "goldens").mkdir(parents=True, exist_ok=True, mode=0o700)
            limit = time.monotonic() + PATIENCE_S
            while (descriptor := _taken(path)) is None:
                if time.monotonic() >= limit:
                    raise FreeholdError("rollout_busy", path=path, holder=_holder(path), seconds=round(PATIENCE_S))
                time.sleep(_POLL_S)
            try:
                yield
            finally:
                os.close(descriptor)


def read_bytes(path: Path) -> bytes:
    """A recording's bytes. Raises `goldens_unreadable`."""
    try:
        size = path.stat().st_size
        if size > LONGEST:
            raise FreeholdError("goldens_unreadable", path=path, reason=f"{size} bytes > {LONGEST}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FreeholdError("goldens_unreadable", path=path, reason=reason) from None


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _taken(path: Path) -> int | None:
    """A descriptor that holds `path`, with our name in it; None where somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not take(descriptor):
        os.close(descriptor)
        return None
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
    return descriptor


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:80] or "?"
    except OSError:
        return "?"


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tells failures of the disk in our words."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise FreeholdError("rollouts_unwritable", path=folder, reason=reason) from None
