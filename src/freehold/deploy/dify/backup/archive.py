"""The tar file inside a backup. `age --decrypt --identity KEY FILE | tar --extract` opens it without Freehold:

databases/PIECE.dump.00000 ...   what pg_dump wrote, in parts: a tar file says sizes first
folders/PIECE/...                files as they lie in the folder
environment/NAME                 the installation's settings and secrets
bound.json                       values that the data depends on
manifest.json                    what all this is; the last one
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

import msgspec

from freehold.deploy.dify.backup.manifest import NAME, Manifest
from freehold.deploy.dify.backup.tree import Hashed, Tree, entries
from freehold.errors import FreeholdError

BOUND = "bound.json"
PART = 16 << 20
_BLOCK = 1 << 20
_PLACE = re.compile(r"(databases|folders|environment)/([^/]+)(?:/(.+))?")
_DUMP = re.compile(r"([a-z_]+)\.dump\.([0-9]{5})")

Sink = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens what reads a piece: a dump as it is, a folder as a tar file."""
Look = Callable[[str, str, bytes], None]
"""Told of every file of a folder: piece, name, its beginning."""


@dataclass(frozen=True)
class Archive:
    """The tar file as it is written."""

    tar: tarfile.TarFile

    @classmethod
    @contextmanager
    def into(cls, stream: IO[bytes]) -> Iterator["Archive"]:
        """One that is complete when the block ends well."""
        with tarfile.open(fileobj=stream, mode="w|", bufsize=_BLOCK, format=tarfile.PAX_FORMAT) as tar:
            yield cls(tar)

    def add(self, name: str, data: bytes) -> str:
        """A file, mode 600; its sha256."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self.tar.addfile(member, io.BytesIO(data))
        return hashlib.sha256(data).hexdigest()

    def add_dump(self, piece: str, dump: IO[bytes]) -> tuple[int, str]:
        """All that `dump` has: its bytes and their sha256."""
        count, total, digest = 0, 0, hashlib.sha256()
        while part := dump.read(PART):
            self.add(f"databases/{piece}.dump.{count:05}", part)
            digest.update(part)
            count, total = count + 1, total + len(part)
        return total, digest.hexdigest()

    def add_folder(self, piece: str, files: IO[bytes]) -> Tree:
        """All entries of the tar file `files`."""
        tree, prefix = Tree(), f"folders/{piece}/"
        root = tarfile.TarInfo(prefix)
        root.type, root.mode = tarfile.DIRTYPE, 0o700
        self.tar.addfile(root)  # an empty folder is one, too
        for member, content in entries(files):
            moved = member.replace(name=prefix + member.name, deep=False)
            if member.islnk():
                moved.linkname = prefix + member.linkname
            self.tar.addfile(moved, content)
            tree.add(member, content)
        return tree


@dataclass
class Content:
    """What was read of a backup, and held against its manifest."""

    bound: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: dict[str, bytes] = field(default_factory=dict, repr=False)
    manifest: Manifest | None = None
    dumps: dict[str, tuple[int, str]] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)

    def checked(self) -> Manifest:
        """The manifest, if all is there that it names. Raises `dify_backup_incomplete`."""
        told = self.manifest
        if told is None:
            raise FreeholdError("dify_backup_incomplete", reason="it ends before its manifest")
        environment = {name: hashlib.sha256(data).hexdigest() for name, data in self.environment.items()}
        for what, found, wanted in (
            ("databases", self.dumps, {key: (one.bytes, one.sha256) for key, one in told.databases.items()}),
            ("folders", {key: tree.sha256() for key, tree in self.trees.items()}, _sums(told)),
            ("environment", environment, dict(told.environment)),
        ):
            for name in sorted({*found, *wanted}):
                if found.get(name) != wanted.get(name):
                    raise FreeholdError("dify_backup_incomplete", reason=f"{what}/{name} is not what was saved")
        return told


def read(stream: IO[bytes], take: Mapping[str, Sink] | None = None, look: Look | None = None) -> Content:
    """Read all of it: the pieces in `take` go there, and every file of a folder is shown to `look`.

    What was taken is whole only when this returns. Raises `dify_backup_incomplete`, and what sinks raise.
    """
    content, reading = Content(), _Reading(take or {}, look)
    with reading.stack:
        for member, file in entries(stream):
            if content.manifest is not None:
                raise FreeholdError("dify_backup_incomplete", reason=f"{member.name} comes after its manifest")
            reading.take_in(content, member, file)
    content.checked()
    return content


class _Reading:
    """Which piece is being read, and where it goes."""

    def __init__(self, take: Mapping[str, Sink], look: Look | None) -> None:
        self.stack = ExitStack()
        self._take, self._look = take, look
        self._piece = ""
        self._dump: IO[bytes] | None = None
        self._files: tarfile.TarFile | None = None
        self._digest = hashlib.sha256()

    def take_in(self, content: Content, member: tarfile.TarInfo, file: Hashed | None) -> None:
        """One entry."""
        if member.name in (NAME, BOUND):
            data = b"" if file is None else file.read()
            if member.name == NAME:
                content.manifest = Manifest.read(data)
            else:
                content.bound = _bound(data)
        elif (place := _PLACE.fullmatch(member.name)) is None:
            raise FreeholdError("dify_backup_incomplete", reason=f"{member.name} belongs to no backup")
        elif place[1] == "environment" and file is not None:
            content.environment[member.name.partition("/")[2]] = file.read()
        elif place[1] == "databases" and file is not None and (dump := _DUMP.fullmatch(place[2])):
            self._add_to_dump(content, dump[1], int(dump[2]), file)
        elif place[1] == "folders":
            self._add_to_folder(content, place[2], member, file)
        else:
            raise FreeholdError("dify_backup_incomplete", reason=f"{member.name} belongs to no backup")

    def _add_to_dump(self, content: Content, piece: str, number: int, file: Hashed) -> None:
        if number == 0:
            self._turn_to(piece)
            self._dump = self._opened(piece)
            self._digest = hashlib.sha256()
        size, _ = content.dumps.get(piece, (0, ""))
        data = file.read()
        self._digest.update(data)
        if self._dump is not None:
            self._dump.write(data)
        content.dumps[piece] = (size + len(data), self._digest.hexdigest())

    def _add_to_folder(self, content: Content, piece: str, member: tarfile.TarInfo, file: Hashed | None) -> None:
        prefix = f"folders/{piece}/"
        if piece != self._piece:
            self._turn_to(piece)
            sink = self._opened(piece)
            if sink is not None:
                files = tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - the stack closes it
                self._files = self.stack.enter_context(files)
            content.trees.setdefault(piece, Tree())
        if f"{member.name}/" == prefix:
            return
        inner = member.replace(name=member.name.removeprefix(prefix), deep=False)
        if member.islnk():
            inner.linkname = member.linkname.removeprefix(prefix)
        if self._files is not None:
            self._files.addfile(inner, file)
        elif file is not None:
            file.rest()
        content.trees.setdefault(piece, Tree()).add(inner, file)
        if self._look is not None and file is not None:
            self._look(piece, inner.name, file.head)

    def _turn_to(self, piece: str) -> None:
        """The piece before is complete: whatever reads it may say so."""
        self.stack.close()
        self._piece, self._dump, self._files = piece, None, None

    def _opened(self, piece: str) -> IO[bytes] | None:
        sink = self._take.get(piece)
        return None if sink is None else self.stack.enter_context(sink())


def _bound(data: bytes) -> Mapping[str, str]:
    try:
        return msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FreeholdError("dify_backup_incomplete", reason=f"{BOUND}: {error}") from None


def _sums(manifest: Manifest) -> dict[str, str]:
    return {name: one.sha256 for name, one in manifest.folders.items()}
