"""How facts are read from the machine: files, commands and connections, each with a limit of time and size."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Sequence

COMMAND_S = 5.0
"""A daemon that hangs (Docker's, often) must not hang the doctor."""
LARGEST_TEXT = 1 << 20


Reader = Callable[[], Any]
"""Reads one fact as a value that JSON can hold. Raises UnreadableError, or OSError or ValueError."""


class UnreadableError(Exception):
    """A fact that cannot be read here; the message is the reason, in English as programs say it."""


def read_text(path: str | Path) -> str:
    """A file's text, at most a megabyte of it. Raises UnreadableError."""
    try:
        with Path(path).open("rb") as file:
            return file.read(LARGEST_TEXT).decode("utf-8", "replace")
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from None


def output_of(command: Sequence[str], timeout: float = COMMAND_S) -> str:
    """What a program prints. Raises UnreadableError when it is absent, fails (with its last line) or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        raise UnreadableError(f"no {command[0]} on the PATH")
    try:
        ran = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableError(f"{' '.join(command)} took more than {timeout:g} s") from None
    except OSError as error:
        raise UnreadableError(f"{program}: {error.strerror or error}") from None
    if ran.returncode != 0:
        words = (ran.stderr or ran.stdout).decode("utf-8", "replace").strip().splitlines()
        raise UnreadableError(f"{' '.join(command)}: {words[-1] if words else f'exit {ran.returncode}'}")
    return ran.stdout[:LARGEST_TEXT].decode("utf-8", "replace")
