"""How much memory a server's processes hold, each page counted once, whoever else maps the same files."""

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ (?P<offset>[0-9a-f]+) (?P<device>\S+) (?P<inode>\d+)\s*(?P<path>.*)$")
FIELD = re.compile(r"^(Rss|Pss|Anonymous):\s+(\d+) kB$")
SHARED_MEMORY = "/memfd:"
"""What keys and values lie in: one file that is mapped many times, so that only its share of each mapping counts."""
Place = tuple[str, str, str]


def tree(root: int) -> list[int]:
    """`root` and all processes below it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return found


def mappings(pid: int) -> Iterator[tuple[Place, str, dict[str, int]]]:
    """Each mapping of a process: its place in a file, the file's name, and kilobytes of Rss, Pss and Anonymous."""
    place, path, sizes = ("", "", ""), "", dict[str, int]()
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if found := MAPPING.match(line):
            if sizes:
                yield place, path, sizes
            place, path, sizes = (found["device"], found["inode"], found["offset"]), found["path"], {}
        elif field := FIELD.match(line):
            sizes[field[1]] = int(field[2])
    if sizes:
        yield place, path, sizes


def held_mb(root: int) -> float:
    """MiB of the processes from `root` on: their own pages; pages of files once, however many map them."""
    own, files = 0, dict[Place, int]()
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for place, path, sizes in mappings(pid):
                if path.startswith(SHARED_MEMORY):
                    own += sizes["Pss"]
                    continue
                own += sizes["Anonymous"]
                files[place] = max(files.get(place, 0), sizes["Rss"] - sizes["Anonymous"])
    return (own + sum(files.values())) / 1024


class Peak:
    """`with Peak(pid) as peak:` looks every tenth of a second; afterwards `peak.mb` is the most there was."""

    def __init__(self, root: int) -> None:
        self.mb = 0.0
        self._root = root
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        self.mb = held_mb(self._root)
        while not self._ended.wait(0.1):
            self.mb = max(self.mb, held_mb(self._root))
