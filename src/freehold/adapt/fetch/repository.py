"""What a hub holds: the files of a repository at one commit, each with its size and a digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import httpx2

from freehold.config import Source
from freehold.errors import FreeholdError


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository: its name relative to the root, with slashes, its size in bytes and where it is loaded.

    Hubs know the sha256 of large files; of small ones some know only git's object id, the sha1 of a header and the
    content. Either is hexadecimal, "" where unknown.
    """

    name: str
    size: int
    url: str
    sha256: str = ""
    git_sha1: str = ""

    @property
    def mark(self) -> str:
        """Tells this content from another that had the same name."""
        return (self.sha256 or self.git_sha1 or f"{self.size:x}")[:16]


@dataclass(frozen=True)
class Repository:
    """A repository at the commit `revision`; `page` is where people read about it."""

    source: Source
    revision: str
    page: str
    files: tuple[RemoteFile, ...]

    @property
    def uri(self) -> str:
        """The repository without a revision: "hf://org/name"."""
        return f"{self.source.kind}://{self.source.name}"

    def file(self, name: str) -> RemoteFile | None:
        """The file called `name`, or None."""
        return next((file for file in self.files if file.name == name), None)


@dataclass(frozen=True)
class Errand:
    """What was asked for: a repository, and the folder that its files are to lie in; the names of those that are
    needed, once they are known."""

    source: Source
    folder: Path
    needed: tuple[str, ...] = ()


class Hub(Protocol):
    """A server of model repositories."""

    @property
    def host(self) -> str:
        """Its name, for messages."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What lets the user in; sent to the hub itself only, never on to the storage that it redirects to."""
        ...

    def repository(self, errand: Errand) -> Repository:
        """The files at the revision that was asked for. Raises FreeholdError `hub_...`."""
        ...

    def refusal(self, errand: Errand, response: httpx2.Response) -> FreeholdError:
        """What to say of an answer of 4xx to a request for a repository or one of its files."""
        ...


def safe_name(name: str, host: str) -> str:
    """`name`, when it stays inside the folder that it is written to. Raises FreeholdError `hub_answer_invalid`."""
    path = PurePosixPath(name)
    plain = str(path) == name and name.isprintable() and "\\" not in name
    if not plain or path.is_absolute() or ".." in path.parts or name == ".":
        raise FreeholdError("hub_answer_invalid", host=host, reason=f"it lists a file called {name[:80]!r}")
    return name
