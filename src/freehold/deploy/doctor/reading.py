"""How facts are read from the machine: files, commands and connections, each with a limit of time and size."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

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
        process = subprocess.Popen(
            [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise UnreadableError(f"{program}: {error.strerror or error}") from None
    try:
        printed, complained = _first_of((process.stdout, process.stderr), timeout)
        process.wait(timeout)
    except (subprocess.TimeoutExpired, TimeoutError):
        raise UnreadableError(f"{' '.join(command)} took more than {timeout:g} s") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        words = (complained or printed).decode("utf-8", "replace").strip().splitlines()
        raise UnreadableError(f"{' '.join(command)}: {words[-1] if words else f'exit {process.returncode}'}")
    return printed.decode("utf-8", "replace")


def _first_of(streams: Iterable[Any], timeout: float) -> list[bytes]:
    """At most a megabyte of each; who prints more finds it closed. Raises TimeoutError, also where a child holds it."""
    said: dict[Any, bytes] = {}

    def keep(stream: Any) -> None:
        with stream:
            said[stream] = stream.read(LARGEST_TEXT)

    threads = {stream: threading.Thread(target=keep, args=(stream,), daemon=True) for stream in streams}
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            raise TimeoutError
    return [said[stream] for stream in threads]
