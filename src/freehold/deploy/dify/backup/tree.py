"""The entries of a folder as tar files carry them, and what they come to, whatever order they come in."""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from freehold.errors import FreeholdError

HEAD = 64 << 10
_CHUNK = 1 << 20


class Hashed:
    """A file that is hashed as it is read; its beginning is kept."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.head = b""

    def read(self, size: int = -1) -> bytes:
        """As of any file. Raises `dify_backup_incomplete` where the tar file ends within it."""
        try:
            data = self._file.read(size)
        except tarfile.TarError as error:
            raise FreeholdError("dify_backup_incomplete", reason=str(error)) from None
        self._digest.update(data)
        if len(self.head) < HEAD:
            self.head += data[: HEAD - len(self.head)]
        return data

    def rest(self) -> None:
        """Read all that is left."""
        while self.read(_CHUNK):
            pass

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._digest.hexdigest()


class Tree:
    """What a folder holds: names, kinds, contents. Owners, modes and times do not count."""

    def __init__(self) -> None:
        self.bytes = 0
        self._folders: set[str] = set()
        self._links: dict[str, str] = {}
        self._contents: dict[str, tuple[str, int]] = {}

    @property
    def files(self) -> int:
        """How many there are; of a file with two names both count."""
        return len(self._contents) + len(self._links)

    def add(self, member: tarfile.TarInfo, content: Hashed | None) -> None:
        """An entry whose name, and that of a hard link's other one, is below the folder."""
        if member.isdir():
            self._folders.add(member.name)
        elif member.issym():
            self._links[member.name] = member.linkname
        else:
            known = (content.sha256, member.size) if content else self._contents.get(member.linkname)
            if known is None:
                raise FreeholdError("dify_backup_incomplete", reason=f"{member.name} is a link to what is not there")
            self._contents[member.name] = known
            self.bytes += known[1]

    def sha256(self) -> str:
        """Over one line an entry, sorted: `NAME/`, `NAME -> TARGET` or `NAME SHA256`."""
        lines = [f"{name}/" for name in self._folders]
        lines += [f"{name} -> {target}" for name, target in self._links.items()]
        lines += [f"{name} {sha256}" for name, (sha256, _) in self._contents.items()]
        return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def entries(stream: IO[bytes], size: int = _CHUNK) -> Iterator[tuple[tarfile.TarInfo, Hashed | None]]:
    """What a tar file holds, one at a time, names made plain: `a/b`; the root itself and what is no data (sockets,
    devices) left out. A content must be read before the next one is asked for.

    Raises `dify_backup_incomplete` for a name that leads out of the folder, or through a link, and for a broken file.
    """
    links: set[str] = set()
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=size, errorlevel=2) as tar:
            for member in tar:
                name = _plain(member.name, links)
                if not name or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
                    continue
                if member.issym():
                    links.add(name)
                changed = member.replace(name=name, deep=False)
                changed.pax_headers = {}  # these would be written again, with the name that it had
                if member.islnk():
                    changed.linkname = _plain(member.linkname, links)
                file = tar.extractfile(member) if member.isreg() else None
                yield changed, Hashed(file) if file else None
                tar.members = []  # type: ignore[attr-defined]  # else every one of a hundred thousand stays
    except (tarfile.TarError, EOFError) as error:
        raise FreeholdError("dify_backup_incomplete", reason=str(error)) from None


def _plain(name: str, links: set[str]) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(str(parent) in links for parent in path.parents):
        raise FreeholdError("dify_backup_incomplete", reason=f"{name} leads out of its folder")
    return "" if str(path) == "." else str(path)
