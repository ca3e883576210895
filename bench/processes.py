"""A server as a process tree: started, waited for, weighed (CPU time, memory), stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class ServerFailedError(RuntimeError):
    """A server that did not come up, or went away; the message ends with the last lines it printed."""


@dataclass(frozen=True)
class Command:
    """How a server is started. `environment` is added to ours."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(root: int) -> list[int]:
    """`root` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: the second, the name, may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _runs(pid: int) -> bool:
    """False for a process that is gone, or dead and waiting to be reaped."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def cpu_seconds(root: int) -> float:
    """User and system time of the tree below `root`, with that of children that exited and were reaped."""
    ticks = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, _stat(pid)[11:15]))  # utime stime cutime cstime
    return ticks * TICK_S


def pss_bytes(pid: int) -> int:
    """Proportional set size: private pages, and this process's share of the shared ones."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def tree_pss_bytes(root: int) -> list[int]:
    """The proportional set size of each process of the tree."""
    sizes = []
    for pid in tree(root):
        with contextlib.suppress(OSError):
            sizes.append(pss_bytes(pid))
    return sizes


class ServerProcess:
    """A running server, its root process `pid`; a context manager that stops the whole tree by its process ids."""

    def __init__(
        self,
        command: Command,
        port: int,
        ready_path: str,
        log: Path,
        start_timeout_s: float = 600,
        grpc_port: int = 0,
    ) -> None:
        self.port = port
        self.grpc_port = grpc_port
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command.argv),
                cwd=command.folder,
                env={**os.environ, **command.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.pid = self._process.pid
        try:
            self._wait_ready(ready_path, start_timeout_s)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began
        self.start_cpu_seconds = self.cpu_seconds()

    def cpu_seconds(self) -> float:
        """CPU time of the tree so far."""
        return cpu_seconds(self.pid)

    def pss_bytes(self) -> int:
        """Memory of the tree, shared pages counted once."""
        return sum(tree_pss_bytes(self.pid))

    def largest_pss_bytes(self) -> int:
        """Memory of the largest process of the tree."""
        return max(tree_pss_bytes(self.pid), default=0)

    def check_alive(self) -> None:
        """Raises ServerFailedError when the root process is gone."""
        if self._process.poll() is not None:
            raise ServerFailedError(f"exited with {self._process.returncode}:\n{self._last_lines()}")

    def stop(self, grace_s: float = 15) -> None:
        """SIGTERM to the root, then SIGKILL to whatever is left of the tree."""
        pids = tree(self.pid)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + grace_s
        while any(map(_runs, pids)) and time.monotonic() < deadline:
            time.sleep(0.01)

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _wait_ready(self, path: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.check_alive()
            with contextlib.suppress(OSError):
                if _status(f"http://127.0.0.1:{self.port}{path}") == 200:
                    return
            time.sleep(0.05)
        raise ServerFailedError(f"not ready within {timeout_s:.0f} s:\n{self._last_lines()}")

    def _last_lines(self, count: int = 15) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-count:])


def _status(url: str) -> int:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
