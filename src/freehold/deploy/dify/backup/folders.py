"""Folders of services by `tar`, run where the files are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from freehold.deploy.dify.backup.place import Folder, Place
from freehold.deploy.dify.backup.programs import feeding, reading, said
from freehold.deploy.dify.backup.tree import Tree, entries

KEY = ".dify_secret_key"
"""Dify makes this one where SECRET_KEY is empty; a Dify that nobody has used has it already."""
_CHANGED = 1
"""GNU tar: a file changed while it was read."""


@contextmanager
def files_of(place: Place, folder: Folder, *, live: bool = False) -> Iterator[IO[bytes]]:
    """All files, as a tar file. With `live` some may change meanwhile."""
    words = ("tar", "-C", folder.path, "--exclude=./lost+found", "-cf", "-", ".")
    spared = (0, _CHANGED) if live else (0,)
    with reading(place.inside(folder.service, words), _about(folder), spared) as stream:
        yield stream


def first_file(place: Place, folder: Folder) -> str:
    """The name of a file that somebody put there; "" for none."""
    words = ("find", folder.path, *_but_disks_own(folder), "!", "-type", "d", "!", "-name", KEY, "-print")
    names = said(place.inside(folder.service, words), _about(folder)).decode("utf-8", "replace").splitlines()
    return min(names, default="")


def clear(place: Place, folder: Folder) -> None:
    """Remove all that is in it, and leave the folder."""
    words = (
        "find",
        folder.path,
        "-mindepth",
        "1",
        "-maxdepth",
        "1",
        *_but_disks_own(folder),
        "-exec",
        "rm",
        "-r",
        "{}",
        "+",
    )
    said(place.inside(folder.service, words), _about(folder))


@contextmanager
def unpacking(place: Place, folder: Folder) -> Iterator[IO[bytes]]:
    """What reads a tar file into the folder."""
    words = ("tar", "-C", folder.path, "-xpf", "-")
    with feeding(place.inside(folder.service, words), _about(folder)) as stream:
        yield stream


def tree_of(place: Place, folder: Folder) -> Tree:
    """What it holds now."""
    tree = Tree()
    with files_of(place, folder) as stream:
        for member, content in entries(stream):
            if content is not None:
                content.rest()
            tree.add(member, content)
        while stream.read(1 << 20):  # what tar pads its file with
            pass
    return tree


def _but_disks_own(folder: Folder) -> tuple[str, ...]:
    """What a file system keeps at its root is nobody's data, and only root may look at it."""
    return ("-path", f"{folder.path}/lost+found", "-prune", "-o")


def _about(folder: Folder) -> str:
    return f"folder {folder.path} ({folder.service})"
