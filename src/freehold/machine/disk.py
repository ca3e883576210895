"""Room on disk."""

import shutil
from pathlib import Path


def free_bytes(path: Path) -> int:
    """Bytes that an ordinary user may still write where `path` is or would be made."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free
