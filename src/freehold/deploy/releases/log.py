"""What was done to a deployment, line by line: `log.jsonl`, which only grows."""

import os
from pathlib import Path

import msgspec

from freehold.gateway.rollouts.rollout import Reason


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened. `at`: wall clock, seconds; `by`: user@host; `reason` why it ended as it did."""

    at: float
    by: str
    release: int
    what: str
    text: str = ""
    reason: Reason | None = None


class Log:
    """The log of one deployment."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, line: Line) -> None:
        """Add a line, which outlasts a crash. Raises OSError."""
        with self._path.open("a+b") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) and file.read() != b"\n":
                file.write(b"\n")  # behind one that was cut short, which would take this one with it
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> list[Line]:
        """All lines, the oldest first. One that a crash or a full disk cut short is left out."""
        try:
            written = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in map(_line, written) if line is not None]


def _line(data: bytes) -> Line | None:
    try:
        return msgspec.json.decode(data, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
