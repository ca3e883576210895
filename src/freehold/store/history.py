"""Who moved a tag when, and from where: one line of JSON a move, appended before the move itself.

A line whose move never happened, since the process was killed in between, is recognised by what follows it: it says
where the tag went, and the next line, or the tag itself, says that it is not there.
"""

import os
import pwd
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from freehold.store.oci import UNREADABLE


class Move(msgspec.Struct, frozen=True, omit_defaults=True):
    """One move of a tag. `before` is "" for a new tag, `after` is "" for one that was taken away."""

    at: datetime
    by: str
    name: str
    tag: str
    before: str = ""
    after: str = ""


class History:
    """`history.jsonl` of a store. The index lock must be held to append."""

    def __init__(self, root: Path) -> None:
        self._path = root / "history.jsonl"

    def append(self, moves: list[Move]) -> None:
        """Write durably. Raises OSError."""
        if not moves:
            return
        lines = b"".join(msgspec.json.encode(move) + b"\n" for move in moves)
        with self._path.open("a+b") as file:
            if file.tell() and not _ends_a_line(file.fileno()):
                lines = b"\n" + lines  # behind half a line of a writer that was killed
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def moves(self, current: Mapping[tuple[str, str], str]) -> list[Move]:
        """Every move that happened, the oldest first. `current` has the digest of every (name, tag) there is."""
        written = self._written()
        happened: list[Move] = []
        follows = dict(current)
        for move in reversed(written):
            key = (move.name, move.tag)
            if follows.get(key, "") == move.after:
                happened.append(move)
                follows[key] = move.before
        return happened[::-1]

    def numbers(self, name: str) -> set[int]:
        """The numbers that were ever tags of `name`."""
        return {int(move.tag) for move in self._written() if move.name == name and move.tag.isdecimal()}

    def _written(self) -> list[Move]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=Move))
            except UNREADABLE:  # half a line
                continue
        return found


def moved(name: str, tag: str, before: str, after: str) -> Move:
    """A move by this process's user, now."""
    return Move(datetime.now(UTC), whoami(), name, tag, before, after)


def whoami() -> str:
    """ "user@host", for people to recognise; not proof of anything."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _ends_a_line(descriptor: int) -> bool:
    return os.pread(descriptor, 1, os.lseek(descriptor, 0, os.SEEK_END) - 1) == b"\n"
