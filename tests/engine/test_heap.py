"""Freed memory goes back to the system."""

import subprocess
import sys

HOLED = """
from pathlib import Path
from freehold.engine.heap import give_back

def own_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "RssAnon" in line)

blocks = [bytes([1]) * 100_000 for _ in range(1000)]
kept = blocks[::50]
blocks.clear()
before = own_kb()
give_back()
print(before - own_kb())
"""


def test_what_lies_between_blocks_in_use_is_given_back() -> None:
    """Of a hundred megabytes of which one block in fifty is kept."""
    ended = subprocess.run([sys.executable, "-c", HOLED], capture_output=True, text=True, check=True)
    assert int(ended.stdout) > 50_000
