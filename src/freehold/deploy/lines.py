"""The lines of several sources as one stream, each with where it comes from."""

import queue
import threading
from collections.abc import Iterator, Mapping

from freehold.errors import FreeholdError

_AHEAD = 1000  # lines that wait to be read, so that a fast source does not fill the memory


def together(sources: Mapping[str, Iterator[str]]) -> Iterator[str]:
    """Lines as they come; with `NAME: ` before each where there is more than one source.

    Raises what a source raises. Threads that wait for lines of a source end with the process.
    """
    if len(sources) < 2:
        for source in sources.values():
            yield from source
        return
    lines: queue.Queue[str | FreeholdError | None] = queue.Queue(_AHEAD)
    for name, source in sources.items():
        threading.Thread(target=_read, args=(name, source, lines), name=f"log of {name}", daemon=True).start()
    left = len(sources)
    while left:
        line = lines.get()
        if isinstance(line, FreeholdError):
            raise line
        if line is None:
            left -= 1
        else:
            yield line


def _read(name: str, source: Iterator[str], lines: "queue.Queue[str | FreeholdError | None]") -> None:
    try:
        for line in source:
            lines.put(f"{name}: {line}")
        lines.put(None)
    except FreeholdError as error:
        lines.put(error)
