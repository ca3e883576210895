"""Becomes another program that is asked to leave when the process that started it is gone, however that ended.

Run by its path, before anything of the house is imported: `python -I -S leash.py PARENT PROGRAM WORD...`. Between fork
and exec nothing safe can be run in a process with threads; this runs behind an exec, and then execs the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # what shells exit with


def leashed(command: list[str]) -> list[str]:
    """The command line that runs `command` so for this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> int:
    """Exit code where the program cannot be started; otherwise this never returns.

    The signal is SIGTERM and not SIGKILL: servers that have processes of their own end those when they are asked to.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before the call
        return 1
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is what is wanted
    except FileNotFoundError:
        sys.stderr.write(f"{command[0]}: not found\n")
        return NOT_FOUND
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
