"""Where state lies."""

from collections.abc import Mapping
from pathlib import Path


def home(environ: Mapping[str, str]) -> Path:
    """The folder of the store, caches and keys: FREEHOLD_HOME, else ~/.freehold. It need not exist."""
    named = environ.get("FREEHOLD_HOME")
    return Path(named).expanduser() if named else Path.home() / ".freehold"
