"""Rendered files as they were last agreed to, below tests/deploy/rendered/.

`FREEHOLD_WRITE_RENDERED=1 pytest tests/deploy` writes them anew; look at the difference before it is committed.
"""

import os
from collections.abc import Mapping
from pathlib import Path

RENDERED = Path(__file__).parent / "rendered"


def check_rendered(case: str, files: Mapping[str, str]) -> None:
    """Every file of `rendered/CASE`, and no other, byte by byte."""
    folder = RENDERED / case
    if os.environ.get("FREEHOLD_WRITE_RENDERED"):
        for path in (path for path in folder.rglob("*") if path.is_file()):
            path.unlink()
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert sorted(files) == sorted(there)
    for name, text in files.items():
        assert text == there[name].read_text(encoding="utf-8"), f"{case}/{name} is rendered differently"
