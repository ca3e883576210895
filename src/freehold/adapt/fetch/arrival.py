"""A folder of fetched files: what is there already, what is missing, and how it becomes whole in one step.

What arrives lies in a hidden folder beside the one that is wanted, `.NAME.fetching`, and stays there when a fetch is
interrupted. Only when every file is there and checked does that folder get its name; one that had the name before goes.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.adapt.fetch.download import Download, digest_if_same, part_of
from freehold.adapt.fetch.halt import Halt
from freehold.adapt.fetch.repository import Errand, Hub, RemoteFile, Repository
from freehold.adapt.fetch.transport import Transport
from freehold.adapt.model_card import read_card
from freehold.adapt.origin import NOTE, Origin, read_origin
from freehold.artifact import FileEntry
from freehold.artifact.artifact import FULL, sync_folder
from freehold.errors import FreeholdError
from freehold.machine import free_bytes
from freehold.store.locks import take

AT_ONCE = 4  # files; a hub's storage gives each connection a share
RESERVE = 64 << 20  # bytes that are left free
TOLD_EVERY_S = 0.25

Digest = Callable[[Path], str]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A needed file that lies on this machine, and its hexadecimal sha256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Plan:
    """What a fetch would do: `here` are the files that need not be loaded, by name.

    `begun` counts the bytes of the missing files that an interrupted fetch has left.
    """

    repository: Repository
    folder: Path
    files: tuple[RemoteFile, ...]
    here: Mapping[str, Found]
    begun: int

    @property
    def missing(self) -> tuple[RemoteFile, ...]:
        """The files to load."""
        return tuple(file for file in self.files if file.name not in self.here)

    @property
    def bytes_missing(self) -> int:
        """Bytes to load."""
        return sum(file.size for file in self.missing) - self.begun


@dataclass(frozen=True)
class Arrival:
    """Files of a repository on their way into `errand.folder`; `sha256` gives the digest of a file that lies here."""

    hub: Hub
    repository: Repository
    files: tuple[RemoteFile, ...]
    errand: Errand
    transport: Transport
    sha256: Digest

    @property
    def staging(self) -> Path:
        """Where files lie until all are there."""
        return self.errand.folder.with_name(f".{self.errand.folder.name}.fetching")

    def plan(self) -> Plan:
        """Look what is there. Raises FreeholdError `fetch_folder_taken`, `fetch_unwritable`."""
        folder = self.errand.folder
        with _told(folder, 0):
            _check_ours(folder)
            found = {file.name: self._found(file) for file in self.files}
            here = {name: one for name, one in found.items() if one is not None}
            rest = [file for file in self.files if file.name not in here]
            begun = sum(min(_size(part_of(self.staging / file.name, file)), file.size) for file in rest)
        return Plan(self.repository, folder, self.files, here, begun)

    def _found(self, file: RemoteFile) -> Found | None:
        for path in (self.errand.folder / file.name, self.staging / file.name):
            digest = digest_if_same(path, file, self.sha256)
            if digest:
                return Found(path, digest)
        return None

    def complete(self, say: Say) -> Plan:
        """Load what is missing and give the folder its name; what there was to do.

        Raises FreeholdError as `plan`, `Download.run`, and `fetch_disk_full`. What arrived stays for the next time.
        """
        folder = self.errand.folder
        with _told(folder, 0):
            folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f".{folder.name}.lock"), folder, say):
            with _told(folder, 0):
                _mend(folder)
            plan = self.plan()
            with _told(folder, plan.bytes_missing):
                self._fill(plan, say)
        return plan

    def _fill(self, plan: Plan, say: Say) -> None:
        folder = self.errand.folder
        if not plan.missing and all(found.path == folder / name for name, found in plan.here.items()):
            origin = self._origin(plan, {}, folder)
            if read_origin(folder) != origin:
                origin.write(folder)
            return
        free = free_bytes(folder.parent)
        if plan.bytes_missing + RESERVE > free:
            raise FreeholdError("fetch_disk_full", folder=folder.parent, needed=plan.bytes_missing, free=free)
        for file in plan.missing:
            (self.staging / file.name).parent.mkdir(parents=True, exist_ok=True)
        loaded = self._load(plan, say)
        say("putting the files in place")
        for name, found in plan.here.items():
            _bring(found.path, self.staging / name)
        _drop_others(self.staging, {file.name for file in self.files})
        _bring_foreign(folder, self.staging)
        self._origin(plan, loaded, self.staging).write(self.staging)
        _exchange(self.staging, folder)

    def _origin(self, plan: Plan, loaded: Mapping[str, str], folder: Path) -> Origin:
        digests = {**{name: found.sha256 for name, found in plan.here.items()}, **loaded}
        entries = {file.name: FileEntry(digests[file.name], file.size) for file in self.files}
        there = self.repository
        return Origin(there.uri, there.revision, there.source.version, read_card(folder / "README.md").license, entries)

    def _load(self, plan: Plan, say: Say) -> dict[str, str]:
        """Every missing file, a few at a time; the first failure ends all. The sha256 of each."""
        halt = Halt()
        errand = replace(self.errand, needed=tuple(file.name for file in self.files))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
            running = {
                file.name: pool.submit(
                    Download(file, self.staging / file.name, self.hub, errand, self.transport, halt).run
                )
                for file in sorted(plan.missing, key=lambda file: -file.size)
            }
            try:
                self._watch(list(running.values()), plan, say)
            finally:
                halt.set()
        return {name: future.result() for name, future in running.items()}

    def _watch(self, running: Sequence[Future[str]], plan: Plan, say: Say) -> None:
        """Tell how far it is until all are there. Raises what the first that failed raised."""
        whole = sum(file.size for file in plan.missing)
        while True:
            done, rest = wait(running, TOLD_EVERY_S, FIRST_EXCEPTION)
            failure = next((future.exception() for future in done if future.exception() is not None), None)
            if failure is not None:
                raise failure
            if not rest:
                return
            arrived = sum(self._arrived(file) for file in plan.missing)
            say(f"{len(done)} of {len(running)} files, {arrived / 1e6:,.0f} of {whole / 1e6:,.0f} MB")

    def _arrived(self, file: RemoteFile) -> int:
        target = self.staging / file.name
        return max(_size(target), _size(part_of(target, file)))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_ours(folder: Path) -> None:
    """Refuse a folder that holds something else than a model: it would be replaced."""
    if not folder.exists() or (folder.is_dir() and (folder / NOTE).is_file()):
        return
    found = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else ["a file"]
    if found and not {"config.json", "modules.json"} & set(found):
        raise FreeholdError("fetch_folder_taken", folder=folder, found=", ".join(found[:6]))


def _bring(source: Path, target: Path) -> None:
    """A file that is right where it is, into the folder that is being filled: linked, or copied where links fail."""
    if source == target:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _drop_others(staging: Path, names: set[str]) -> None:
    """Remove what fetches of other revisions left."""
    for path in [path for path in staging.rglob("*") if path.is_file()]:
        if str(path.relative_to(staging)) not in names:
            path.unlink()
    for path in sorted((path for path in staging.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def _bring_foreign(folder: Path, staging: Path) -> None:
    """Take along what the user laid into the folder: goldens, notes. What an older fetch brought is left behind."""
    if not folder.is_dir():
        return
    origin = read_origin(folder)
    fetched = {NOTE, *(origin.files if origin is not None else ())}
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        name = str(path.relative_to(folder))
        if name not in fetched and not (staging / name).exists():
            _bring(path, staging / name)


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _mend(folder: Path) -> None:
    """Give a folder its name back that a kill in the middle of `_exchange` took: what the user laid into it is there.

    After a kill at its end, what was to be removed is.
    """
    old = _replaced(folder)
    if old.is_dir() and not folder.exists():
        old.rename(folder)
    elif old.is_dir():
        shutil.rmtree(old)


def _exchange(staging: Path, folder: Path) -> None:
    """Give the filled folder its name, durably. A kill between the two renames leaves it whole under its own."""
    for path in [staging, *(path for path in staging.rglob("*") if path.is_dir())]:
        sync_folder(path)
    if folder.exists():
        old = _replaced(folder)
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        staging.rename(folder)
        shutil.rmtree(old)
    else:
        staging.rename(folder)
    sync_folder(folder.parent)


@contextmanager
def _locked(path: Path, folder: Path, say: Say) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops with the process: of two fetches into one folder, one waits."""
    with _told(folder, 0):
        file = path.open("w")
    with file:
        if not take(file.fileno()):
            say("waiting for another fetch into the same folder")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _told(folder: Path, needed: int) -> Iterator[None]:
    """Failures of the disk in the user's words."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            free = free_bytes(folder.parent)
            raise FreeholdError("fetch_disk_full", folder=folder.parent, needed=needed, free=free) from None
        reason = error.strerror or str(error)
        raise FreeholdError("fetch_unwritable", folder=error.filename or folder, reason=reason) from None
