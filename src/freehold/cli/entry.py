"""Where the process `freehold` begins, before anything that takes time to import."""

import os
import signal

ENDED = 128 + signal.SIGTERM
"""The exit status of what SIGTERM ended, as shells and containers tell it."""


def main() -> None:
    """`cli.main.main`, which SIGTERM ends from its first import on, also as the first process of a container.

    The kernel keeps from such a process every signal that it has no handler for (pid_namespaces(7)): asked to stop
    while it imports, it would be killed after its whole grace time. Verbs that leave in order replace the handler.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(ENDED))
    from freehold.cli.main import main as run

    run()
