"""Who holds a port, as far as /proc tells this user."""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp


def port_holder(port: int, proc: Path = PROC) -> str:
    """The process that listens on `port`, as "PID 4711 (nginx)"; "another process" where that cannot be told."""
    wanted = {f"socket:[{inode}]" for inode in _listening_sockets(port, proc)}
    if wanted:
        for process in proc.iterdir():
            if process.name.isdigit() and wanted & _open_files(process):
                return f"PID {process.name} ({_command(process)})"
    return "another process"


def _listening_sockets(port: int, proc: Path) -> Iterator[str]:
    """Inodes of the sockets that listen on `port`, by any address."""
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _open_files(process: Path) -> set[str]:
    """What the file descriptors of a process point at; empty for processes of others."""
    try:
        links = [*(process / "fd").iterdir()]
    except OSError:
        return set()
    targets = set()
    for link in links:
        try:
            targets.add(os.readlink(link))  # noqa: PTH115 - "socket:[123]" is no path
        except OSError:
            continue
    return targets


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", errors="replace").strip()
    except OSError:
        return "unknown"
