"""What long work says while it runs: one line on standard error, where a person watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


@contextmanager
def working(text: str) -> Iterator[Say]:
    """Show `text` with a spinner until the block ends; call what it gives to change the text.

    Nothing is shown where standard error is no terminal, so that logs and pipes stay clean.
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.markup import escape

    # Seldom enough that what is measured meanwhile does not feel it.
    with Console(stderr=True).status(escape(text), refresh_per_second=4) as status:
        yield lambda text: status.update(escape(text))


def _silent(text: str) -> None:
    """Said to nobody."""
