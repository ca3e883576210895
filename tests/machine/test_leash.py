"""A program that does not outlive who started it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.machine import leash

LEASH = (sys.executable, "-I", "-S", leash.__file__)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def soon(found: Callable[[], bool]) -> None:
    """Wait until `found()`; only a broken test waits long."""
    limit = time.monotonic() + 60
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_it_becomes_the_program() -> None:
    """Its words, its exit code; found on PATH."""
    command = leash.leashed(["sh", "-c", 'echo "$0 $$"; exit 7', "a b"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert done.stdout.startswith("a b ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["no-such-program"], leash.NOT_FOUND, "not found"), (["/dev/null"], leash.NOT_EXECUTABLE, "Permission denied")],
)
def test_a_program_that_cannot_be_started_is_told_as_shells_do(words: list[str], code: int, said: str) -> None:
    """127 and 126."""
    done = subprocess.run([*LEASH, str(os.getpid()), *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stderr


def test_it_does_not_begin_when_who_started_it_is_gone_already() -> None:
    """The signal would never come."""
    assert subprocess.run([*LEASH, "1", "sleep", "60"], check=False).returncode == 1


def test_the_program_is_asked_to_leave_when_who_started_it_is_killed() -> None:
    """Also by SIGKILL, after which nothing of ours can run."""
    starter = textwrap.dedent(f"""
        import os, subprocess, time
        child = subprocess.Popen([*{LEASH!r}, str(os.getpid()), "sleep", "60"], start_new_session=True)
        print(child.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        soon(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        soon(lambda: not is_there(child))
