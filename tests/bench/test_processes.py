"""CPU time and memory of a server are those of its whole tree, and it is stopped by its ids."""

import sys
from pathlib import Path

import pytest

from bench.processes import Command, ServerFailedError, ServerProcess, free_port, tree

BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
SERVE = """
import http.server, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[2]])                       # reaped before it is ready
subprocess.Popen([sys.executable, "-c", sys.argv[2] + "input()"], stdin=subprocess.PIPE)  # lives on
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_tree_counts_children_that_live_and_children_that_left(tmp_path: Path) -> None:
    """Two children burn 0.3 s of CPU time each: both are the server's. After `stop` none of the tree is left."""
    port = free_port()
    command = Command([sys.executable, "-c", SERVE, str(port), BURN], {}, tmp_path)
    with ServerProcess(command, port, "/", tmp_path / "log") as server:
        while server.cpu_seconds() < 0.6:
            server.check_alive()
        assert server.pss_bytes() > server.largest_pss_bytes() > 1 << 20
        pids = tree(server.pid)
        assert len(pids) == 2
    states = [
        path.read_text().rpartition(")")[2].split()[0] for pid in pids if (path := Path(f"/proc/{pid}/stat")).exists()
    ]
    assert set(states) <= {"Z"}  # dead; init has perhaps not reaped the orphan yet


def test_a_server_that_dies_says_its_last_lines(tmp_path: Path) -> None:
    """The error shows the exit status and what was printed."""
    command = Command([sys.executable, "-c", "raise SystemExit('no such model')"], {}, tmp_path)
    with pytest.raises(ServerFailedError, match=r"exited with 1:\nno such model"):
        ServerProcess(command, free_port(), "/", tmp_path / "log")


def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    """Not ready in time is a failure, and leaves no process."""
    command = Command([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path)
    with pytest.raises(ServerFailedError, match="not ready within 1 s"):
        ServerProcess(command, free_port(), "/", tmp_path / "log", start_timeout_s=1)
