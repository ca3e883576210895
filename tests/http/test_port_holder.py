"""Who holds a port, read from /proc."""

import os
import socket
from pathlib import Path

from freehold.http.port_holder import port_holder

ROW = (
    "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000  0 {inode} 1 0 100 0 0 10 0"
)


def proc(folder: Path, *, state: str = "0A", inode: int = 4711) -> Path:
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "tcp").write_text("  sl  local_address\n" + ROW.format(state=state, inode=inode) + "\n")
    process = folder / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[4711]")
    (process / "comm").write_text("nginx\n")
    (folder / "self").mkdir()
    return folder


def test_the_holder_is_named(tmp_path: Path) -> None:
    """Its number, to stop it, and its name, to know it."""
    assert port_holder(8080, proc(tmp_path)) == "PID 77 (nginx)"


def test_a_port_that_nobody_visible_holds_is_held_by_another_process(tmp_path: Path) -> None:
    """A process of another user, or of another container."""
    assert port_holder(8080, proc(tmp_path, inode=1)) == "another process"


def test_a_connection_from_that_port_is_no_listener(tmp_path: Path) -> None:
    """State 01 is an established connection."""
    assert port_holder(8080, proc(tmp_path, state="01")) == "another process"


def test_a_system_without_proc_knows_nobody(tmp_path: Path) -> None:
    """macOS, or a hardened container."""
    assert port_holder(8080, tmp_path / "none") == "another process"


def test_the_real_proc_names_this_process() -> None:
    """The format is the kernel's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert port_holder(listening.getsockname()[1]).startswith(f"PID {os.getpid()} (")
